"""What the tests of the HTTP face stand on: real tasks on a real SQLite ledger, served by either face."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from settled import Context, PublicError, Snapshot, Tasks
from settled.web.asgi import TasksApp
from settled.web.fastapi import add_problem_handlers, tasks_router

PREFIX = "/tasks"
BOUND = 20.0
"""Seconds after which a test gives up: far more than anything here takes, far less than a long poll is asked for."""
App = Callable[..., Any]

SECRET = "s3cr3t-in-a-local-variable"
ARGUMENT = "an-argument-that-is-nobodys-business"


def bare(tasks: Tasks, **options: Any) -> App:
    """``TasksApp`` under a prefix, as the ASGI specification has it: ``root_path`` says what is before."""
    inner = TasksApp(tasks, **options)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "root_path": scope.get("root_path", "") + PREFIX}, receive, send)

    return app


def framed(tasks: Tasks, **options: Any) -> App:
    """The router in a FastAPI app."""
    app = FastAPI()
    app.include_router(tasks_router(tasks, **options), prefix=PREFIX)
    add_problem_handlers(app)

    @app.exception_handler(500)
    async def failed(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("the app's own 500", 500)

    return app


FACES = {"asgi": bare, "fastapi": framed}


class World:
    """Task functions whose every step a test decides, and a client of the app that serves them."""

    def __init__(self, url: str, face: Callable[..., App]) -> None:
        self.tasks = Tasks(url, drain=0)
        self.face = face
        self.go = asyncio.Event()
        self.step = asyncio.Event()
        self.ran = 0
        register(self)

    def app(self, **options: Any) -> App:
        return self.face(self.tasks, **options)

    def client(self, **options: Any) -> httpx.AsyncClient:
        return client_of(self.app(**options))

    async def submit(self, name: str, *args: Any, **kwargs: Any) -> str:
        return (await self.tasks.asubmit(name, *args, **kwargs)).id

    async def settle(self, name: str, *args: Any) -> Snapshot:
        """Submit a task and wait for its end."""
        task = await self.tasks.asubmit(name, *args)
        ending = await task.await_(BOUND)
        assert ending.snapshot is not None
        return ending.snapshot

    def watched(self) -> list[str]:
        return self.tasks.ledger.bell.watched()

    async def watching(self, task_id: str) -> None:
        """Wait until somebody waits for the task."""
        await until(lambda: task_id in self.watched())


def register(world: World) -> None:
    task = world.tasks.task

    @task(name="add")
    async def add(one: int, other: int) -> int:
        return one + other

    @task(name="echo")
    async def echo(value: Any) -> Any:
        return value

    @task(name="hold")
    async def hold(what: str = "", *, context: Context) -> str:
        world.ran += 1
        await world.step.wait()
        context.progress(0.5, "half «way»")
        await world.go.wait()
        return "held"

    @task(name="fail")
    async def fail(argument: str) -> None:
        password = SECRET
        raise ValueError(f"no such thing, {len(password)}")

    @task(name="speak")
    async def speak() -> None:
        raise PublicError("This address does not exist.")


@asynccontextmanager
async def living(folder: Path, face: Callable[..., App], url: str | None = None) -> AsyncIterator[World]:
    world = World(url or f"sqlite:///{folder / 'tasks.db'}", face)
    async with world.tasks.lifespan():
        try:
            yield world
        finally:
            world.step.set()
            world.go.set()


def client_of(app: App, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, **options)
    return httpx.AsyncClient(transport=transport, base_url="http://test", timeout=BOUND)


async def raw_get(
    app: App, path: str, leave: asyncio.Event, sent: list[dict[str, Any]], method: str = "GET",
    headers: tuple[tuple[bytes, bytes], ...] = ((b"prefer", b"wait=30"),),
) -> None:  # fmt: skip
    """A long poll by a client that disconnects when ``leave`` is set; no library in between tidies up."""
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await leave.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": f"{PREFIX}/{path}", "raw_path": f"{PREFIX}/{path}".encode(), "root_path": "",
        "query_string": b"", "headers": list(headers), "client": ("::1", 1), "server": ("::1", 80),
    }  # fmt: skip
    await app(scope, receive, send)


async def until(true: Callable[[], object]) -> None:
    """Look again and again, for a bounded time, and once after it: this process may have stood still."""
    end, over = time.monotonic() + BOUND, False
    while not true():
        assert not over, "it did not come true in time"
        await asyncio.sleep(0.005)
        over = time.monotonic() >= end
