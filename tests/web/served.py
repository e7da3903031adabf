"""An app for a server process of its own: the router and the bare app, both under a sub-path."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from fastapi import FastAPI, Request, Response

from settled import Context, Tasks
from settled.web.asgi import TasksApp
from settled.web.fastapi import accepted, tasks_router

tasks = Tasks(os.environ["TESTED_LEDGER"], drain=0)
inner = FastAPI()
inner.include_router(tasks_router(tasks), prefix="/tasks")
inner.mount("/bare", TasksApp(tasks))


go = asyncio.Event()


@tasks.task(timeout=60)
async def hold(context: Context) -> str:
    context.progress(0.1, "waiting")
    await go.wait()
    return "went"


@inner.post("/begin")
async def begin(request: Request, response: Response) -> Any:
    return accepted(await hold.asubmit(), response, request=request)


@inner.post("/go")
async def let_go() -> None:
    go.set()


@inner.get("/listening")
async def listening() -> list[str]:
    return tasks.ledger.bell.watched()


app = FastAPI(lifespan=tasks.lifespan)
app.mount("/deep", inner)
