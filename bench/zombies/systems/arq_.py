"""arq, as its documentation's "Simple Usage" and "Retrieve" pages show it; its tasks are coroutines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.jobs import Job, JobStatus
from fastapi import FastAPI, HTTPException

from bench.zombies.culprits import arun
from bench.zombies.said import said
from bench.zombies.surroundings import LIMIT, STORE


async def run(context: dict[str, Any], culprit: str, token: str) -> Any:
    return await arun(culprit, token)


class WorkerSettings:
    functions = (run,)
    redis_settings = RedisSettings.from_dsn(STORE)
    job_timeout = LIMIT


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.redis = await create_pool(WorkerSettings.redis_settings)
    yield
    await app.state.redis.aclose()


web = FastAPI(lifespan=lifespan)


@web.post("/tasks", status_code=202)
async def submit(culprit: str, token: str) -> dict[str, str]:
    job = await web.state.redis.enqueue_job("gone" if culprit == "gone" else "run", culprit, token)
    return {"id": job.job_id}


@web.get("/tasks/{task_id}")
async def status(task_id: str) -> dict[str, Any]:
    job = Job(task_id, web.state.redis)
    status, info = await job.status(), await job.result_info()
    if status == JobStatus.not_found and info is None:
        raise HTTPException(404)
    if info is None:
        return {"status": status, "result": None, "error": None}
    if info.success:
        return {"status": "completed", "result": info.result, "error": None}
    return {"status": "failed", "result": None, "error": said(info.result)}
