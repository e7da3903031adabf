"""SAQ on Redis, as its "Getting Started" shows it; its tasks are coroutines, and a job's timeout is 10 s by default.

Hardened: the worker sweeps stuck jobs every five seconds instead of every minute.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException
from saq import Queue, Status

from bench.zombies.culprits import arun
from bench.zombies.surroundings import HARDENED, LIMIT, STORE

queue = Queue.from_url(STORE)
ENDS = {Status.COMPLETE: "completed", Status.FAILED: "failed", Status.ABORTED: "failed"}


async def run(context: dict[str, Any], *, culprit: str, token: str) -> Any:
    return await arun(culprit, token)


settings = {"queue": queue, "functions": [run], "concurrency": 10, "timers": {"sweep": 5} if HARDENED else {}}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await queue.connect()
    yield
    await queue.disconnect()


web = FastAPI(lifespan=lifespan)


@web.post("/tasks", status_code=202)
async def submit(culprit: str, token: str) -> dict[str, str]:
    name = "gone" if culprit == "gone" else "run"
    job = await queue.enqueue(name, culprit=culprit, token=token, timeout=LIMIT)
    assert job is not None
    return {"id": job.key}


@web.get("/tasks/{task_id}")
async def status(task_id: str) -> dict[str, Any]:
    job = await queue.job(task_id)
    if job is None:
        raise HTTPException(404)
    status = ENDS.get(job.status, job.status)
    return {"status": status, "result": job.result, "error": job.error}
