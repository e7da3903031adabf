"""PgQueuer, as its README shows it. It keeps no results, so the task writes its own.

Its worker is what ``pgq run`` starts; that command itself does not start with the newest typer.
Its handlers are coroutines, and it knows no time limit. The reason is what its log of the job says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI, HTTPException
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from bench.zombies import results
from bench.zombies.culprits import arun
from bench.zombies.surroundings import STORE

ENDS = {"successful": "completed", "exception": "failed", "failed": "failed", "canceled": "failed", "deleted": "failed"}


async def main() -> PgQueuer:
    queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(STORE)))

    @queuer.entrypoint("run")
    async def run(job: Job) -> None:
        result = await arun(**json.loads(job.payload or b""))
        await asyncio.to_thread(results.keep, job.id, result)

    return queuer


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(STORE, min_size=1) as pool:
        app.state.queries = Queries(AsyncpgPoolDriver(pool))
        yield


web = FastAPI(lifespan=lifespan)


@web.post("/tasks", status_code=202)
async def submit(culprit: str, token: str) -> dict[str, str]:
    payload = json.dumps({"name": culprit, "token": token}).encode()
    ids = await web.state.queries.enqueue("gone" if culprit == "gone" else "run", payload)
    return {"id": str(ids[0])}


@web.get("/tasks/{task_id}")
async def status(task_id: int) -> dict[str, Any]:
    found = await web.state.queries.job_status([task_id])
    if not found:
        raise HTTPException(404)
    status, error, result = ENDS.get(found[0][1], found[0][1]), None, None
    if status == "failed":
        traces = [log.traceback for log in await web.state.queries.job_log_history(task_id) if log.traceback]
        error = traces[0].exception_type + ": " + traces[0].exception_message if traces else None
    elif status == "completed":
        result = await asyncio.to_thread(results.read, task_id)
    return {"status": status, "result": result, "error": error}


async def prepare() -> None:
    results.prepare()
    await Queries(AsyncpgDriver(await asyncpg.connect(STORE))).install()


if __name__ == "__main__":

    async def work() -> None:
        await (await main()).run()

    asyncio.run(work())
