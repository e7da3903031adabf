"""A small real app for the tests in this folder: task functions that wait at gates, and pages that wait for tasks.

Served by uvicorn in a process of its own. A gate opens by ``POST /gates/{name}``, so nothing here goes by the clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from settled import Context, PublicError, Snapshot, Tasks
from settled.web import NotSignedIn
from settled.web.fastapi import accepted, tasks_router

FOLDER = Path(os.environ.get("SETTLED_TEST_FOLDER", "."))
LEASE = float(os.environ.get("SETTLED_TEST_LEASE", "30"))
LOG = "requests.jsonl"
LONGEST = 30.0  # seconds that anybody stands at a gate
STRICT = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:"
SIGNED_IN = "who"  # the cookie that the tasks named "private" ask for

HOSTILE = "<img src=/stolen onerror=\"hacked = 1\"><script>hacked = 2</script><svg onload='hacked = 3'>"

tasks = Tasks(f"sqlite:///{FOLDER / 'tasks.db'}", lease=LEASE, threads=1, drain=0.5)


class Gate:
    """Closed until it is opened; one can wait for it in a thread and on the event loop."""

    def __init__(self) -> None:
        self._opened, self._opened_on_loop = threading.Event(), asyncio.Event()

    def open(self) -> None:
        self._opened.set()
        self._opened_on_loop.set()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def pass_through(self) -> None:
        self._opened.wait(LONGEST)

    async def apass_through(self) -> None:
        async with asyncio.timeout(LONGEST):
            await self._opened_on_loop.wait()


gates: defaultdict[str, Gate] = defaultdict(Gate)


@tasks.task
def in_the_only_thread(gate: str) -> str:
    """Holds up whoever else wants the thread."""
    gates[gate].pass_through()
    return "the thread is free"


@tasks.task
async def walk(gate: str, second_gate: str = "", *, context: Context) -> dict[str, Any]:
    context.progress(0.4, "two of five")
    await gates[gate].apass_through()
    if second_gate:
        context.progress(0.8, "four of five")
        await gates[second_gate].apass_through()
    return {"walked": 5, "as far as": "Wien, 東京"}


@tasks.task
async def private(gate: str) -> str:
    await gates[gate].apass_through()
    return "for those who are signed in"


@tasks.task(attempts=2, backoff=0.2)
async def second_time_lucky(gate: str, context: Context) -> str:
    """Waits in its first attempt, which is to be cut off."""
    context.progress(None, f"attempt {context.attempt}")
    if context.attempt == 1:
        await gates[gate].apass_through()
    return "done at the second attempt"


@tasks.task(timeout=1.5, start_timeout=1.0)
async def brief(gate: str, context: Context) -> str:
    context.progress(0.9, "nearly there")
    await gates[gate].apass_through()
    return "just in time"


@tasks.task(timeout=6.0, start_timeout=1.0)
async def rather_brief(gate: str, context: Context) -> str:
    """Leaves a test time to look at it, and to do something to it, on a machine that stands still now and then."""
    return await brief(gate, context)


@tasks.task
async def fails_until(gate: str) -> str:
    if not gates[gate].is_open:
        raise PublicError("The gate is closed. Open it, then try again.")
    return "through the gate"


@tasks.task
async def hostile_progress(gate: str, context: Context) -> None:
    context.progress(0.5, HOSTILE)
    await gates[gate].apass_through()


@tasks.task
async def hostile_failure() -> None:
    raise PublicError(HOSTILE)


@tasks.task
async def hostile_result(wrapped: bool) -> Any:
    return {HOSTILE: [HOSTILE]} if wrapped else HOSTILE


@tasks.task
async def long_words() -> None:
    raise PublicError("https://example.org/" + "andsoon" * 80)


async def may_see(request: Request, task: Snapshot) -> bool:
    if task.name == "private" and SIGNED_IN not in request.cookies:
        raise NotSignedIn
    return True


api = FastAPI(lifespan=tasks.lifespan)
api.include_router(tasks_router(tasks, authorize=may_see), prefix="/tasks")


@api.post("/submit/{name}", status_code=202)
async def submit(name: str, request: Request, response: Response) -> Any:
    """Submit with the arguments in the body; its Location is what a page waits for."""
    return accepted(await tasks.asubmit(name, *await request.json()), response)


@api.post("/gates/{name}", status_code=204)
async def open_gate(name: str) -> None:
    gates[name].open()


@api.get("/page")
async def page(request: Request) -> HTMLResponse:
    """A page with an element for each ``src``, with the attributes in ``with``; ``lax`` lets inline code run."""
    query = request.query_params
    attributes = escape(query.get("with", ""))
    elements = "\n".join(
        f'<settled-task src="{escape(src)}" {attributes}></settled-task>' for src in query.getlist("src")
    )
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>A page that waits</title><link rel=icon href=data:,>{elements}"
        '<script type=module src="/tasks/settled.js"></script>',
        headers={} if "lax" in query else {"Content-Security-Policy": STRICT},
    )


Scope = MutableMapping[str, Any]


async def app(scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """The app, and a log of every request with the instants when it began and ended."""
    if scope["type"] != "http":
        return await api(scope, receive, send)
    asked = {"method": scope["method"], "path": scope["path"], "began": time.monotonic()}
    _log(asked)
    try:
        await api(scope, receive, send)
    finally:
        _log({**asked, "ended": time.monotonic()})
    return None


def _log(entry: dict[str, Any]) -> None:
    with (FOLDER / LOG).open("a") as file:
        file.write(json.dumps(entry) + "\n")
