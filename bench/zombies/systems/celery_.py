"""Celery on Redis, broker and results, as "First steps with Celery" and the user guide's "Tasks" show it.

Hardened with what the user guide and "Using Redis" name for tasks that must not be lost: late acknowledgement,
rejection when a worker is lost, one message at a time, reconnection, started as a state; and a visibility timeout
of 15 s with the two options of kombu that have it looked at every 5 s, not every 100.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI

from bench.zombies.culprits import run as run_culprit
from bench.zombies.said import said
from bench.zombies.surroundings import BROKER, HARDENED, LIMIT, ROLE, STORE

app = Celery("app", broker=BROKER, backend=STORE)
app.conf.task_time_limit = LIMIT
app.conf.broker_connection_retry_on_startup = True
if HARDENED:
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_track_started=True,
        task_soft_time_limit=LIMIT - 2,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        broker_transport_options={
            "visibility_timeout": LIMIT + 5,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
        },
        result_backend_transport_options={"retry_policy": {"timeout": 5.0}},
    )
ENDS = {"SUCCESS": "completed", "FAILURE": "failed", "REVOKED": "failed"}
web = FastAPI()


@app.task(name="run")
def run(culprit: str, token: str) -> Any:
    return run_culprit(culprit, token)


if ROLE == "web":

    @app.task(name="gone")
    def gone(culprit: str, token: str) -> Any:
        """What the workers do not know any more."""


@web.post("/tasks", status_code=202)
def submit(culprit: str, token: str) -> dict[str, str]:
    task = gone if culprit == "gone" else run
    return {"id": task.delay(culprit, token).id}


@web.get("/tasks/{task_id}")
def status(task_id: str) -> dict[str, Any]:
    task = AsyncResult(task_id, app=app)
    status = ENDS.get(task.state, task.state.lower())
    return {
        "status": status,
        "result": task.result if status == "completed" else None,
        "error": said(task.result) if status == "failed" else None,
    }
