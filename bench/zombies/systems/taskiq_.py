"""TaskIQ with taskiq-redis: streams, which are acknowledged, and a result backend; its tasks are coroutines.

Hardened: a message that nobody has acknowledged for 15 s is taken over (``idle_timeout``; by default ten minutes).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from bench.zombies.culprits import arun
from bench.zombies.said import said
from bench.zombies.surroundings import HARDENED, LIMIT, ROLE, STORE

results: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(redis_url=STORE)
options: dict[str, Any] = {"idle_timeout": 15_000} if HARDENED else {}
broker = RedisStreamBroker(url=STORE, **options).with_result_backend(results)


@broker.task(task_name="run", timeout=LIMIT)
async def run(culprit: str, token: str) -> Any:
    return await arun(culprit, token)


if ROLE == "web":

    @broker.task(task_name="gone", timeout=LIMIT)
    async def gone(culprit: str, token: str) -> Any:
        """What the workers do not know any more."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


web = FastAPI(lifespan=lifespan)


@web.post("/tasks", status_code=202)
async def submit(culprit: str, token: str) -> dict[str, str]:
    task = await (gone if culprit == "gone" else run).kiq(culprit, token)
    return {"id": task.task_id}


@web.get("/tasks/{task_id}")
async def status(task_id: str) -> dict[str, Any]:
    if not await results.is_result_ready(task_id):
        return {"status": "pending", "result": None, "error": None}
    result = await results.get_result(task_id)
    if result.is_err:
        return {"status": "failed", "result": None, "error": said(result.error)}
    return {"status": "completed", "result": result.return_value, "error": None}
