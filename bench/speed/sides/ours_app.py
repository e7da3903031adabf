"""settled in a FastAPI app: the lines of the README."""

from __future__ import annotations

import os

from fastapi import FastAPI, Response

from bench.speed.sides.work import nothing, stamped
from settled import Tasks
from settled.web.fastapi import accepted, tasks_router

tasks = Tasks(f"sqlite:///{os.environ['BENCH_FOLDER']}/ours.db", concurrency=1_000)
function, timed = tasks.task(timeout=60)(nothing), tasks.task(timeout=60)(stamped)
app = FastAPI(lifespan=tasks.lifespan)
app.include_router(tasks_router(tasks), prefix="/tasks")


@app.post("/work", status_code=202)
async def start(number: int, response: Response) -> object:
    return accepted(await function.asubmit(number), response)


@app.post("/stamped", status_code=202)
async def start_stamped(response: Response) -> object:
    return accepted(await timed.asubmit(), response)
