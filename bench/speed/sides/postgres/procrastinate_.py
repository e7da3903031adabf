"""Procrastinate: one worker process with as many asynchronous jobs at once as are in flight, at most a hundred.

It keeps no result, so the task inserts its own through Procrastinate's pool; the outcome counts as readable then,
before the job's status has followed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.tasks import Task

from bench.speed.sides.in_flight import asked, measure_with_worker
from bench.speed.sides.postgres import outcomes
from bench.speed.sides.postgres.workers import worker
from bench.speed.sides.work import nothing

MODULE = "bench.speed.sides.postgres.procrastinate_"


def app_of(url: str) -> tuple[App, Task[Any, Any, Any]]:
    """The app and its one task, as both processes have them."""
    connector = PsycopgConnector(conninfo=url, min_size=4, max_size=10)
    app = App(connector=connector)

    @app.task(name="nothing", pass_context=True)
    async def task(context: JobContext, number: int) -> None:
        result = await nothing(number)
        await connector.execute_query_async(outcomes.KEEP, job=context.job.id, result=json.dumps(result))

    return app, task


async def work(wish: dict[str, Any]) -> None:
    app, _ = app_of(wish["url"])
    async with app.open_async():
        await app.run_worker_async(concurrency=min(100, max(2, wish["in_flight"])))


async def main(wish: dict[str, Any]) -> dict[str, float]:
    app, task = app_of(wish["url"])
    read = outcomes.Outcomes(wish["url"])
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        outcomes.make_table(wish["url"])

        async def submit(number: int) -> int:
            return int(await task.defer_async(number=number))

        with worker([sys.executable, "-m", MODULE, json.dumps({**wish, "worker": True})], wish["folder"]):
            return await measure_with_worker(submit, read.of, wish["in_flight"], wish["warm"], wish["seconds"])


if __name__ == "__main__":
    wish = asked()
    if wish.get("worker"):
        asyncio.run(work(wish))
    else:
        print(json.dumps(asyncio.run(main(wish))))
