"""awa's Python client, as its README shows it, and a worker process. It keeps no results: the task writes its own.

Hardened: one attempt instead of twenty-five, and a job whose worker is silent is rescued after 15 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import awa
from fastapi import FastAPI, HTTPException

from bench.zombies import results
from bench.zombies.culprits import arun
from bench.zombies.surroundings import HARDENED, STORE

ENDS = {"completed": "completed", "failed": "failed", "cancelled": "failed"}
OF_A_JOB: dict[str, Any] = {"max_attempts": 1} if HARDENED else {}
OF_THE_WORKER: dict[str, Any] = (
    {"heartbeat_interval_ms": 3_000, "heartbeat_staleness_ms": 15_000, "heartbeat_rescue_interval_ms": 3_000}
    if HARDENED
    else {}
)


@dataclass
class Run:
    """The arguments."""

    culprit: str
    token: str


async def work() -> None:
    client = awa.AsyncClient(STORE)

    @client.task(Run, queue="app")
    async def run(job: awa.Job[Run]) -> None:
        result = await arun(job.args.culprit, job.args.token)
        await asyncio.to_thread(results.keep, job.id, result)

    await client.start([("app", 10)], **OF_THE_WORKER)
    await asyncio.Event().wait()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.client = awa.AsyncClient(STORE)
    yield


web = FastAPI(lifespan=lifespan)


@web.post("/tasks", status_code=202)
async def submit(culprit: str, token: str) -> dict[str, str]:
    kind = {"kind": "gone"} if culprit == "gone" else {}
    job = await web.state.client.insert(Run(culprit, token), queue="app", **kind, **OF_A_JOB)
    return {"id": str(job.id)}


@web.get("/tasks/{task_id}")
async def status(task_id: int) -> dict[str, Any]:
    try:
        job = await web.state.client.get_job(task_id)
    except awa.AwaError as error:
        if "not found" in str(error).lower():
            raise HTTPException(404) from None
        raise
    status = ENDS.get(str(job.state), str(job.state))
    result = await asyncio.to_thread(results.read, task_id) if status == "completed" else None
    error = str(job.errors[-1].get("error", job.errors[-1])) if status == "failed" and job.errors else None
    return {"status": status, "result": result, "error": error}


async def prepare() -> None:
    results.prepare()
    await awa.AsyncClient(STORE).migrate()


if __name__ == "__main__":
    asyncio.run(work())
