"""fastapi-taskflow on its SQLite file, as its "Quick start" shows it. It keeps no results, so the task writes its own.

Hardened with what its README names: tasks are kept for a restart (``persist``), also those that were running
(``requeue_on_interrupt``), and snapshots are taken every second.
"""

from __future__ import annotations

from typing import Any

from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi_taskflow import TaskAdmin, TaskManager, get_task_context

from bench.zombies import results
from bench.zombies.culprits import run as run_culprit
from bench.zombies.surroundings import HARDENED, STORE

results.prepare()
manager = TaskManager(snapshot_db=f"{STORE}/tasks.db", snapshot_interval=1.0 if HARDENED else 30.0)
web = FastAPI()
TaskAdmin(web, manager, path="/admin", auto_install=True)
ENDS = {
    "success": "completed",
    "failed": "failed",
    "interrupted": "failed",
    "cancelled": "failed",
    "rejected": "failed",
}


@manager.task(persist=HARDENED, requeue_on_interrupt=HARDENED)
def run(culprit: str, token: str) -> None:
    results.keep(get_task_context().task_id, run_culprit(culprit, token))


@web.post("/tasks", status_code=202)
def submit(culprit: str, token: str, background_tasks: BackgroundTasks) -> dict[str, Any]:
    return {"id": background_tasks.add_task(run, culprit, token)}


@web.get("/tasks/{task_id}")
async def status(task_id: str) -> dict[str, Any]:
    record = manager.store.get(task_id)
    if record is None:  # as its own route does
        record = next((one for one in await manager.merged_list() if one.task_id == task_id), None)
    if record is None:
        raise HTTPException(404)
    status = ENDS.get(record.status, str(record.status.value))
    error = (record.error or record.status) if status == "failed" else None
    return {"status": status, "result": results.read(task_id) if status == "completed" else None, "error": error}
