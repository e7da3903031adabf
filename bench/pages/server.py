"""One process of waiting pages: ours, or a bare stream server. python -m bench.pages.server SIDE FD"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

from bench.pages.writer import timed
from settled import Tasks
from settled.web.asgi import TasksApp
from settled.web.fastapi import tasks_router

HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]


class Bare:
    """Sends a stream's first event, waits for the one signal, sends the last: the least that can be done."""

    def __init__(self) -> None:
        self.signal: asyncio.Future[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return None
        if self.signal is None:
            self.signal = asyncio.get_running_loop().create_future()
        if scope["method"] == "POST":
            if scope["path"] == "/settle":
                self.signal.set_result(None)
            body = f"{time.monotonic()} {time.monotonic()}" if scope["path"] == "/settle" else "/events"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            return await send({"type": "http.response.body", "body": body.encode()})
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": b'data: {"settled":false}\n\n', "more_body": True})
        await self.signal
        return await send({"type": "http.response.body", "body": b'data: {"settled":true}\n\n'})


def ours(ledger: str, *, framework: bool) -> Any:
    """The bare ASGI face or the FastAPI router, and one task that runs until it is settled by hand."""
    tasks = Tasks(ledger)
    blocks: list[Any] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> Any:
        async with tasks.lifespan():
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/task")
    async def task(here: bool = True) -> Response:
        made = await asyncio.to_thread(tasks.create, "waited for")
        if here:
            blocks.append(tasks.settling(made))
            await asyncio.to_thread(blocks[-1].__enter__)  # it runs
        return Response(f"/tasks/{made.id}/events")

    @app.post("/settle")
    async def settle() -> Response:
        return Response(await asyncio.to_thread(timed, tasks, lambda: blocks[-1].__exit__(None, None, None)))

    if framework:
        app.include_router(tasks_router(tasks), prefix="/tasks")
    else:
        app.mount("/tasks", TasksApp(tasks))
    return app if framework else _beside(app, TasksApp(tasks))


def _beside(app: Any, face: Any) -> Any:
    """The face without FastAPI's middlewares around it."""

    async def both(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/tasks/"):
            return await face({**scope, "root_path": "/tasks"}, receive, send)
        return await app(scope, receive, send)

    return both


def main(side: str, fd: int) -> None:
    """Serve until SIGTERM."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = os.environ.get("PAGES_LEDGER") or f"sqlite:///{folder}/tasks.db"
        app = Bare() if side == "bare" else ours(ledger, framework=side == "fastapi")
        loop = os.environ.get("PAGES_LOOP", "asyncio")
        quiet = {"log_level": "error", "access_log": False}
        uvicorn.run(app, fd=fd, loop=loop, backlog=8192, timeout_graceful_shutdown=10, **quiet)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
