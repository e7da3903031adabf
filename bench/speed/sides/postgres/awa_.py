"""awa, whose engine is in Rust: one worker process of its Python client, a hundred workers on one queue.

It keeps no result, so the task inserts its own; the outcome counts as readable then, before awa's own has followed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

import awa

from bench.speed.sides.in_flight import asked, measure_with_worker
from bench.speed.sides.postgres import outcomes
from bench.speed.sides.postgres.workers import worker
from bench.speed.sides.work import nothing

MODULE = "bench.speed.sides.postgres.awa_"


@dataclass
class Nothing:
    """The arguments."""

    number: int


async def work(wish: dict[str, Any]) -> None:
    client = awa.AsyncClient(wish["url"])
    async with outcomes.pool(wish["url"]) as pool:

        @client.task(Nothing, queue="bench")
        async def task(job: awa.Job[Nothing]) -> None:
            await outcomes.keep(pool, job.id, await nothing(job.args.number))

        await client.start([("bench", min(100, max(2, wish["in_flight"])))])
        await asyncio.Event().wait()


async def main(wish: dict[str, Any]) -> dict[str, float]:
    client = awa.AsyncClient(wish["url"])
    await client.migrate()
    outcomes.make_table(wish["url"])
    read = outcomes.Outcomes(wish["url"])

    async def submit(number: int) -> int:
        return (await client.insert(Nothing(number), queue="bench")).id

    with worker([sys.executable, "-m", MODULE, json.dumps({**wish, "worker": True})], wish["folder"]):
        return await measure_with_worker(submit, read.of, wish["in_flight"], wish["warm"], wish["seconds"])


if __name__ == "__main__":
    wish = asked()
    if wish.get("worker"):
        asyncio.run(work(wish))
    else:
        print(json.dumps(asyncio.run(main(wish))))
