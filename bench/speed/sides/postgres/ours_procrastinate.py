"""settled over Procrastinate: the same worker and concurrency; the result is settled's own."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from procrastinate import App, PsycopgConnector

from bench.speed.sides.in_flight import asked, measure_with_worker
from bench.speed.sides.postgres.workers import worker
from bench.speed.sides.work import nothing
from settled import Task, Tasks
from settled.engines.procrastinate import ProcrastinateEngine

MODULE = "bench.speed.sides.postgres.ours_procrastinate"


def tasks_of(url: str) -> tuple[App, ProcrastinateEngine, Tasks]:
    """The app, the engine on it and the tasks, as both processes have them."""
    app = App(connector=PsycopgConnector(conninfo=url, min_size=4, max_size=10))
    engine = ProcrastinateEngine(app, queue="bench")
    tasks = Tasks(f"{url}?schema=bench", engine=engine)
    tasks.task(timeout=60)(nothing)
    return app, engine, tasks


async def main(wish: dict[str, Any]) -> dict[str, float]:
    app, _, tasks = tasks_of(wish["url"])
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
    function = tasks.functions["nothing"]

    async def finish(task: Task) -> object:
        return (await task).unwrap()

    command = [sys.executable, "-m", MODULE, json.dumps({**wish, "worker": True})]
    async with tasks.lifespan(None):
        with worker(command, wish["folder"]):
            return await measure_with_worker(function.asubmit, finish, wish["in_flight"], wish["warm"], wish["seconds"])


if __name__ == "__main__":
    wish = asked()
    if wish.get("worker"):
        tasks_of(wish["url"])[1].work(concurrency=min(100, wish["in_flight"]), drain=2.0, arguments=[])
    else:
        print(json.dumps(asyncio.run(main(wish))))
