"""settled with its embedded engine, on PostgreSQL: one process submits, runs and waits."""

from __future__ import annotations

import asyncio
import json

from bench.speed.sides.in_flight import asked
from bench.speed.sides.postgres.server_time import measure_both
from bench.speed.sides.work import nothing
from settled import Task, Tasks


async def main() -> dict[str, float]:
    wish = asked()
    tasks = Tasks(f"{wish['url']}?schema=bench", concurrency=max(100, wish["in_flight"]))
    function = tasks.task(timeout=60)(nothing)

    async def finish(task: Task) -> object:
        ending = await task
        return ending.unwrap()

    async with tasks.lifespan(None):
        return await measure_both(
            wish["url"], function.asubmit, finish, wish["in_flight"], wish["warm"], wish["seconds"]
        )


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
