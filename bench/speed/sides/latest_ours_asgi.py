"""Reads of keys with settled's bare ASGI app, mounted by hand under /latest."""

from __future__ import annotations

import os
from typing import Any

from settled import Tasks
from settled.web.latest import LatestApp

tasks = Tasks(f"sqlite:///{os.environ['BENCH_LEDGER']}")


@tasks.latest(fresh_for=86_400)
async def traffic(key: str) -> None: ...


inner = LatestApp(tasks)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        async with tasks.lifespan(None):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await inner({**scope, "root_path": scope.get("root_path", "") + "/latest"}, receive, send)
