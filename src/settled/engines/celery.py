"""Celery as the engine, on any of its brokers, in its prefork, threads and solo pools.

What is published is the task's id. Celery acknowledges it before it runs (``acks_late`` off), since a redelivery
would bring nothing: a lost attempt is found by its worker's lock and lease, and its next one is published from its
row. Late acknowledgement would add redeliveries after RabbitMQ's consumer timeout and Redis's visibility timeout,
which the gate would turn away. Celery's retries and its result store are off. The hard time limit is the one thing
that ends a call in C which never gives the interpreter lock back; only the prefork pool has it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from celery import Celery, signals
from celery.concurrency import prefork
from kombu.exceptions import OperationalError

from settled.engines.base import EngineRefused, Home, Message

AWAY = (OperationalError, OSError)
"""What Celery raises while its broker cannot be reached; the rest will not be mended by trying again."""

IDLE = 60.0
"""Seconds after which a connection is not trusted any more: what is written to one that was cut is lost unseen."""


class CeleryEngine:
    """``Tasks(url, engine=CeleryEngine(app))``: tasks are carried by the app's workers that consume ``queue``.

    task_name  what Celery calls the one task that carries all of ours; several ``Tasks`` of one app need several
    """

    name = "celery"
    at_once = 1
    publishes = True

    def __init__(self, app: Celery, *, queue: str = "settled", task_name: str = "settled.run") -> None:
        self.app = app
        self.queue = queue
        self.task_name = task_name
        self._run: Any = None
        self._producer: Any = None  # on a connection of our own: the app's pool is others' too
        self._used_at = 0.0
        self._guard = threading.Lock()
        self._home: Home | None = None

    def attach(self, home: Home) -> None:
        def run(task_id: str) -> None:
            home.carry(task_id)

        self._home = home
        self._run = self.app.task(
            run, name=self.task_name, shared=False, ignore_result=True, store_errors_even_if_ignored=False,
            acks_late=False, max_retries=0, track_started=False, time_limit=None, soft_time_limit=None, rate_limit=None,
        )  # fmt: skip
        signals.worker_process_init.connect(self._process_began, weak=False)
        signals.worker_process_shutdown.connect(self._ended, weak=False)
        signals.worker_ready.connect(self._worker_is_ready, weak=False)
        signals.worker_shutdown.connect(self._ended, weak=False)

    def prepare(self) -> None:
        with suppress(Exception):  # a driver that is not installed is said of the first task that is refused
            self.app.connection_for_write().get_transport_cls()

    def publish(self, messages: Sequence[Message]) -> None:
        (message,) = messages
        with self._guard:
            try:
                self._run.apply_async(
                    args=(message.id,), task_id=message.id, queue=self.queue, shadow=message.name,
                    time_limit=message.hard_limit, retry=False, ignore_result=True, serializer="json",
                    producer=self._connected(),
                )  # fmt: skip
            except AWAY:
                self.close()
                raise
            except Exception as error:
                self.close()  # a channel that was refused something is of no use any more
                raise EngineRefused(f"{type(error).__name__}: {error}") from error

    def _connected(self) -> Any:
        idle_for, self._used_at = time.monotonic() - self._used_at, time.monotonic()
        if idle_for > IDLE:
            self.close()
        if self._producer is None:
            connection = self.app.connection_for_write(heartbeat=0)  # nobody would send them
            self._producer = self.app.amqp.Producer(connection, auto_declare=False)
        return self._producer

    def work(self, *, concurrency: int | None, drain: float | None, arguments: Sequence[str]) -> None:
        own = [] if concurrency is None else [f"--concurrency={concurrency}"]
        defaults = ["--queues", self.queue, "--loglevel=WARNING", "--prefetch-multiplier=1", "--without-mingle"]
        defaults.append(f"--hostname=settled-{os.getpid()}@%h")  # a second worker of one name on one machine ends
        self.app.worker_main(["worker", *defaults, *own, *arguments])

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):  # it may be cut, or hang: nothing is said to the broker
                producer.connection.collect(socket_timeout=1)

    # -- in Celery's workers

    def _process_began(self, **_: object) -> None:
        """In each process of a prefork pool, which must be ready within four seconds; the ledger may be away."""
        assert self._home is not None
        threading.Thread(target=self._home.begin, name="settled-begin", daemon=True).start()

    def _worker_is_ready(self, sender: Any, **_: object) -> None:
        """In a worker's main process; with a prefork pool it must not open what its children would inherit."""
        if not isinstance(sender.pool, prefork.TaskPool):
            self._process_began()

    def _ended(self, **_: object) -> None:
        assert self._home is not None
        self._home.stop()
