"""Huey on Redis, as its guide shows it, with a timeout for the task; the consumer has two threads, its default kind.

Hardened: the consumer's workers are processes (``-k process``), which it checks and starts again.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from huey import RedisHuey
from huey.exceptions import TaskException

from bench.zombies.culprits import run as run_culprit
from bench.zombies.surroundings import LIMIT, ROLE, STORE

huey = RedisHuey("app", url=STORE)
web = FastAPI()


@huey.task(timeout=LIMIT)
def run(culprit: str, token: str) -> Any:
    return run_culprit(culprit, token)


if ROLE == "web":

    @huey.task(timeout=LIMIT)
    def gone(culprit: str, token: str) -> Any:
        """What the workers do not know any more."""


@web.post("/tasks", status_code=202)
def submit(culprit: str, token: str) -> dict[str, str]:
    return {"id": (gone if culprit == "gone" else run)(culprit, token).id}


@web.get("/tasks/{task_id}")
def status(task_id: str) -> dict[str, Any]:
    try:
        result = huey.result(task_id, preserve=True)
    except TaskException as error:
        return {"status": "failed", "result": None, "error": str(error)}
    return {"status": "pending" if result is None else "completed", "result": result, "error": None}
