"""A small real app with batches, and pages that show one; served by uvicorn in a process of its own."""

from __future__ import annotations

import asyncio
import os
from html import escape
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from settled import PublicError, Tasks
from settled.web.fastapi import tasks_router
from settled.web.fastapi_batches import batches_router

FOLDER = Path(os.environ.get("SETTLED_TEST_FOLDER", "."))
STRICT = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:"
LONGEST = 60.0

tasks = Tasks(f"sqlite:///{FOLDER / 'tasks.db'}", concurrency=200, drain=0.5, lease=3.0)
gates: dict[str, asyncio.Event] = {}


@tasks.task(timeout=60)
async def step(number: int, gate: str) -> str:
    """Fails for multiples of three, and waits at its gate, if it has one."""
    if gate:
        async with asyncio.timeout(LONGEST):
            await gates.setdefault(gate, asyncio.Event()).wait()
    if number % 3 == 0:
        raise PublicError("<b>No multiples of three.</b>")
    return f"number {number}"


@tasks.task(timeout=8.0, start_timeout=2.0)
async def brief(number: int) -> None:
    await asyncio.sleep(LONGEST)


app = FastAPI(lifespan=tasks.lifespan)
app.include_router(tasks_router(tasks), prefix="/tasks")
app.include_router(batches_router(tasks), prefix="/batches")


@app.post("/many/{count}")
async def many(count: int, gate: str = "", held: int = 0) -> str:
    """So many steps, of which the last ones are held at a gate."""
    items = [(n, gate if n > count - held else "") for n in range(1, count + 1)]
    return f"/batches/{(await step.asubmit_many(items)).id}"


@app.post("/brief/{count}")
async def many_brief(count: int) -> str:
    return f"/batches/{(await brief.asubmit_many(range(count))).id}"


@app.post("/gates/{name}")
async def open_gate(name: str) -> None:
    gates.setdefault(name, asyncio.Event()).set()


@app.get("/page")
async def show(src: str) -> HTMLResponse:
    element = f'<settled-batch src="{escape(src)}" cancellable retryable></settled-batch>'
    html = '<!doctype html><html lang="en"><title>A batch</title><meta name="viewport" content="width=device-width">'
    body = f'<main><h1>A batch</h1>{element}</main><script type="module" src="/tasks/batch.js"></script></html>'
    return HTMLResponse(html + body, headers={"Content-Security-Policy": STRICT})
