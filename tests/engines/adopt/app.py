"""A Celery app as its users write it, with nothing of ours in it but the last line of ``make``."""

from __future__ import annotations

import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from celery import Celery, Task
from celery.exceptions import Ignore, Reject

from settled import Tasks
from settled.adopt.celery import adopt

APP = "SETTLED_ADOPT_APP"
Settings = dict[str, Any]


class Shop(NamedTuple):
    app: Celery
    tasks: Tasks


def make(settings: Settings) -> Shop:
    app = Celery("shop", broker=settings["broker"], backend=settings["backend"], set_as_current=False)
    app.conf.update(
        task_default_queue=settings["queue"], broker_connection_retry_on_startup=True, broker_connection_timeout=2,
        worker_prefetch_multiplier=1, result_backend_transport_options={"global_keyprefix": f"{settings['queue']}:"},
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1},
    )  # fmt: skip
    if settings["broker"].startswith("redis"):
        app.conf.broker_transport_options = {"global_keyprefix": f"{settings['queue']}:"}
    _register(app, Path(settings["folder"]))
    tasks = Tasks(settings["url"], lease=5.0, embedded=False)
    adopt(app, tasks, start_timeout=settings.get("start_timeout", 60.0))
    return Shop(app, tasks)


def _register(app: Celery, folder: Path) -> None:  # noqa: C901, PLR0915 - many small functions
    task = partial(app.task, shared=False)  # the tests make several apps in one process

    def ran(request: Any) -> None:
        with open(folder / "runs", "a", encoding="ascii") as file:
            file.write(f"{request.id} {request.retries} {os.getpid()}\n")

    def held(gate: str) -> str:
        while not (folder / gate).exists():
            time.sleep(0.01)
        return "opened"

    @task(name="add", rate_limit="1000/s")
    def add(a: int, b: int) -> int:
        return a + b

    @task(name="adds", ignore_result=True)
    def adds(numbers: list[int]) -> int:
        return sum(numbers)

    @task(name="odd", ignore_result=True)
    def odd() -> object:
        return object

    @task(name="fails", bind=True)
    def fails(self: Any) -> None:
        ran(self.request)
        raise ValueError("as it is told to")

    @task(name="flaky", bind=True, autoretry_for=(ValueError,), retry_kwargs={"countdown": 0}, max_retries=2)
    def flaky(self: Any, failures: int) -> int:
        ran(self.request)
        if self.request.retries < failures:
            raise ValueError(f"failure {self.request.retries + 1}")
        return int(self.request.retries)

    @task(name="waits", bind=True)
    def waits(self: Any, gate: str) -> str:
        ran(self.request)
        return held(gate)

    @task(name="waits_late", bind=True, acks_late=True, reject_on_worker_lost=True)
    def waits_late(self: Any, gate: str) -> str:
        ran(self.request)
        return held(gate)

    @task(name="limited", time_limit=1)
    def limited() -> None:
        held("never")

    @task(name="soft", soft_time_limit=1)
    def soft() -> None:
        held("never")

    @task(name="ignores")
    def ignores() -> None:
        raise Ignore

    @task(name="rejects", acks_late=True)
    def rejects() -> None:
        raise Reject("not today", requeue=False)

    @task(name="rejected_once", bind=True, acks_late=True)
    def rejected_once(self: Any) -> str:
        ran(self.request)
        if not self.request.delivery_info["redelivered"]:
            raise Reject("once more", requeue=True)
        return "redelivered"

    class Called(Task):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(*args, **kwargs)

    @task(name="called", base=Called)
    def called(gate: str) -> str:
        return held(gate)

    class Lingers(Task):  # type: ignore[misc]
        def on_retry(self, exc: object, task_id: str, *rest: object) -> None:
            while f"{task_id} 1 " not in (folder / "runs").read_text("ascii"):
                time.sleep(0.01)

    @task(name="lingers", bind=True, base=Lingers)
    def lingers(self: Any, gate: str) -> str:
        ran(self.request)
        if not self.request.retries:
            raise self.retry(countdown=0)
        return held(gate)

    @task(name="replaced", bind=True)
    def replaced(self: Any) -> None:
        raise self.replace(add.s(20, 22))

    @task(name="dies")
    def dies() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @task(name="exits")
    def exits() -> None:
        raise SystemExit(3)

    @task(name="calls")
    def calls() -> int:
        return add(1, 2) + int(add.run(3, 4))

    @task(name="submits")
    def submits() -> str:
        return str(add.delay(5, 6).id)


if APP in os.environ:
    shop = make(json.loads(os.environ[APP]))
    app = shop.app
