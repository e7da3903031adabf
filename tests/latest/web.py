"""What the tests of latest values over HTTP stand on: real refreshes on a real ledger, served by either face."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from settled import PublicError, Tasks
from settled.web.fastapi import add_problem_handlers
from settled.web.fastapi_latest import latest_router
from settled.web.latest import LatestApp
from tests.web.world import App, client_of

PREFIX = "/latest"


def bare(tasks: Tasks, **options: Any) -> App:
    inner = LatestApp(tasks, **options)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "root_path": scope.get("root_path", "") + PREFIX}, receive, send)

    return app


def framed(tasks: Tasks, **options: Any) -> App:
    app = FastAPI()
    app.include_router(latest_router(tasks, **options), prefix=PREFIX)
    add_problem_handlers(app)
    return app


FACES = {"asgi": bare, "fastapi": framed}


class World:
    """A latest function whose answers a test decides, and a client of the app that serves it."""

    def __init__(self, folder: Path, face: Callable[..., App]) -> None:
        self.tasks = Tasks(f"sqlite:///{folder / 'tasks.db'}", drain=0)
        self.face = face
        self.go = asyncio.Event()
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []

        def key(text: str) -> str:
            if "!" in text:
                raise ValueError(f"{text} is no key of ours.")
            return text.lower()

        @self.tasks.latest(name="traffic", fresh_for=60, retry_after=60, timeout=20, history=3, key=key)
        async def traffic(key: str) -> Any:
            self.asked.append(key)
            if key.startswith("held"):
                await self.go.wait()
            answer = self.answers.get(key, {"of": key})
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.traffic = traffic

    def client(self, **options: Any) -> httpx.AsyncClient:
        return client_of(self.face(self.tasks, **options))

    async def got(self, key: str, value: Any = None) -> None:
        """Have a key refreshed, well or not."""
        if value is not None:
            self.answers[key] = value
        await self.traffic.get(key, refresh="force", wait=20)


@asynccontextmanager
async def living(folder: Path, face: Callable[..., App]) -> AsyncIterator[World]:
    world = World(folder, face)
    async with world.tasks.lifespan():
        try:
            yield world
        finally:
            world.go.set()


PUBLIC = PublicError("That domain is not on sale.")
