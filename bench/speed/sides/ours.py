"""settled, in process: submit, and wait for the task that was submitted."""

from __future__ import annotations

import asyncio
import json

from bench.speed.sides.in_flight import asked, measure
from bench.speed.sides.work import nothing
from settled import Task, Tasks


async def main() -> dict[str, float]:
    wish = asked()
    tasks = Tasks(f"sqlite:///{wish['folder']}/ours.db", concurrency=max(100, wish["in_flight"]))
    function = tasks.task(timeout=60)(nothing)

    async def finish(task: Task) -> object:
        ending = await task
        return ending.unwrap()

    async with tasks.lifespan(None):
        return await measure(function.asubmit, finish, wish["in_flight"], wish["warm"], wish["seconds"])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
