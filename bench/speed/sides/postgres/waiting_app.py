"""Pages that wait for tasks which somebody else will run: settled's bare ASGI app under /tasks."""

from __future__ import annotations

import os
from typing import Any

from settled import Tasks
from settled.records import NewTask
from settled.web.asgi import TasksApp

HOUR_MS = 3_600_000


def make_tasks(url: str, count: int) -> list[str]:
    """So many open tasks of a name that nobody runs."""
    ledger = Tasks(f"{url}?schema=bench", embedded=False).ledger
    new = NewTask("bench.elsewhere", "{}", HOUR_MS, HOUR_MS, 30_000, 1_000, 1, HOUR_MS + 30_000)
    made = ledger.store.write([("insert", [new] * count)])
    ledger.close()
    return [row.id for row, _ in made.results[0]]


def app_of(url: str) -> Any:
    tasks = Tasks(f"{url}?schema=bench")

    @tasks.task(timeout=60)
    async def nothing() -> None: ...

    inner = TasksApp(tasks)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with tasks.lifespan(None):
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await inner({**scope, "root_path": scope.get("root_path", "") + "/tasks"}, receive, send)

    return app


if "BENCH_URL" in os.environ:
    app = app_of(os.environ["BENCH_URL"])
