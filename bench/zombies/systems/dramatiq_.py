"""Dramatiq on Redis with its result backend, as its guide's "Results" and "Message Time Limits" show it.

Hardened: no retries, which by default are twenty, from 15 s on; a worker is given up on after
15 s, not 60, and looked for at every tenth command, not every thousandth.
"""

from __future__ import annotations

from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import ResultFailure, ResultMissing, Results
from dramatiq.results.backends import RedisBackend
from fastapi import FastAPI

from bench.zombies.culprits import run as run_culprit
from bench.zombies.surroundings import BROKER, HARDENED, LIMIT, ROLE, STORE

backend = RedisBackend(url=STORE)
of_the_broker = {"heartbeat_timeout": 15_000, "maintenance_chance": 100_000} if HARDENED else {}
broker = RedisBroker(url=BROKER, **of_the_broker)
broker.add_middleware(Results(backend=backend))
dramatiq.set_broker(broker)
options: dict[str, Any] = {"max_retries": 0} if HARDENED else {}
web = FastAPI()


@dramatiq.actor(store_results=True, time_limit=LIMIT * 1000, **options)
def run(culprit: str, token: str) -> Any:
    return run_culprit(culprit, token)


if ROLE == "web":

    @dramatiq.actor(store_results=True, time_limit=LIMIT * 1000, **options)
    def gone(culprit: str, token: str) -> Any:
        """What the workers do not know any more."""


@web.post("/tasks", status_code=202)
def submit(culprit: str, token: str) -> dict[str, str]:
    actor = gone if culprit == "gone" else run
    message = actor.send(culprit, token)
    return {"id": f"{message.actor_name}.{message.message_id}"}


@web.get("/tasks/{task_id}")
def status(task_id: str) -> dict[str, Any]:
    name, _, message_id = task_id.rpartition(".")
    message = broker.get_actor(name or "run").message().copy(message_id=message_id)
    try:
        return {"status": "completed", "result": backend.get_result(message), "error": None}
    except ResultMissing:
        return {"status": "pending", "result": None, "error": None}
    except ResultFailure as failure:
        return {"status": "failed", "result": None, "error": str(failure)}
