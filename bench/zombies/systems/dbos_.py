"""DBOS in the web app, as its guide for FastAPI shows it: a workflow with a timeout, started in the background."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowTimeout
from fastapi import FastAPI, HTTPException

from bench.zombies.culprits import run as run_culprit
from bench.zombies.said import said
from bench.zombies.surroundings import LIMIT, STORE

config: DBOSConfig = {"name": "zombies", "system_database_url": STORE, "log_level": "WARNING"}
DBOS(config=config)
ENDS = {
    "SUCCESS": "completed", "ERROR": "failed", "CANCELLED": "failed", "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
}  # fmt: skip


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    DBOS.launch()
    yield
    DBOS.destroy()


web = FastAPI(lifespan=lifespan)


@DBOS.workflow()
def run(culprit: str, token: str) -> Any:
    return run_culprit(culprit, token)


@web.post("/tasks", status_code=202)
def submit(culprit: str, token: str) -> dict[str, str]:
    with SetWorkflowTimeout(LIMIT):
        return {"id": DBOS.start_workflow(run, culprit, token).workflow_id}


@web.get("/tasks/{task_id}")
def status(task_id: str) -> dict[str, Any]:
    found = DBOS.get_workflow_status(task_id)
    if found is None:
        raise HTTPException(404)
    status = ENDS.get(found.status, found.status.lower())
    error = (said(found.error) if found.error else found.status) if status == "failed" else None
    return {"status": status, "result": found.output if status == "completed" else None, "error": error}
