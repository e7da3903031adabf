"""Polls with settled's bare ASGI app, mounted by hand under /tasks."""

from __future__ import annotations

import os
from typing import Any

from settled import Tasks
from settled.web.asgi import TasksApp

tasks = Tasks(f"sqlite:///{os.environ['BENCH_LEDGER']}")
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
