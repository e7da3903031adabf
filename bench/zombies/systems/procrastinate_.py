"""Procrastinate, as its quickstart shows it. It keeps neither results nor reasons, so the task writes its own result.

Hardened: the periodic task of its page "Retry stalled jobs", every five seconds, for workers silent for 15 s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import ConnectorException

from bench.zombies import results
from bench.zombies.culprits import run as run_culprit
from bench.zombies.surroundings import HARDENED, ROLE, STORE

app = App(connector=PsycopgConnector(conninfo=STORE))
ENDS = {"succeeded": "completed", "failed": "failed", "cancelled": "failed", "aborted": "failed"}


@app.task(name="run", pass_context=True)
def run(context: JobContext, culprit: str, token: str) -> None:
    results.keep(context.job.id, run_culprit(culprit, token))


if HARDENED and ROLE == "worker":

    @app.periodic(cron="* * * * * */5")
    @app.task(queueing_lock="retry_stalled_jobs", pass_context=True)
    async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=15):
            await app.job_manager.retry_job(job)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with app.open_async():
        yield


web = FastAPI(lifespan=lifespan)


@web.post("/tasks", status_code=202)
async def submit(culprit: str, token: str) -> dict[str, str]:
    name = "gone" if culprit == "gone" else "run"
    return {"id": str(await app.configure_task(name).defer_async(culprit=culprit, token=token))}


@web.get("/tasks/{task_id}")
async def status(task_id: int) -> dict[str, Any]:
    try:
        status = (await app.job_manager.get_job_status_async(task_id)).value
    except ConnectorException as error:
        if "No result" in str(error):
            raise HTTPException(404) from None
        raise
    status = ENDS.get(status, status)
    return {"status": status, "result": results.read(task_id) if status == "completed" else None, "error": None}


async def prepare() -> None:
    results.prepare()
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
