"""PgQueuer on asyncpg: one worker process, a hundred jobs at once, dequeued by up to a hundred.

It keeps no result, so the task inserts its own; the outcome counts as readable then, before PgQueuer's log has it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from bench.speed.sides.in_flight import asked, measure_with_worker
from bench.speed.sides.postgres import outcomes
from bench.speed.sides.postgres.workers import worker
from bench.speed.sides.work import nothing

MODULE = "bench.speed.sides.postgres.pgqueuer_"
KEEP = "INSERT INTO bench_results (job, result) VALUES ($1, $2)"


async def work(wish: dict[str, Any]) -> None:
    async with asyncpg.create_pool(wish["url"], min_size=4, max_size=10) as pool:
        queuer = PgQueuer(AsyncpgPoolDriver(pool))

        @queuer.entrypoint("nothing")
        async def task(job: Job) -> None:
            result = await nothing(int(job.payload or b"0"))
            await pool.execute(KEEP, job.id, json.dumps(result))

        at_once = min(100, max(2, wish["in_flight"]))
        await queuer.run(batch_size=at_once, max_concurrent_tasks=2 * at_once)  # its least for such batches


async def main(wish: dict[str, Any]) -> dict[str, float]:
    read = outcomes.Outcomes(wish["url"])
    async with asyncpg.create_pool(wish["url"], min_size=4, max_size=10) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        await queries.install()
        outcomes.make_table(wish["url"])

        async def submit(number: int) -> int:
            return int((await queries.enqueue("nothing", b"%d" % number))[0])

        with worker([sys.executable, "-m", MODULE, json.dumps({**wish, "worker": True})], wish["folder"]):
            return await measure_with_worker(submit, read.of, wish["in_flight"], wish["warm"], wish["seconds"])


if __name__ == "__main__":
    wish = asked()
    if wish.get("worker"):
        asyncio.run(work(wish))
    else:
        print(json.dumps(asyncio.run(main(wish))))
