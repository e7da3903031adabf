"""Makes the engine of the app, in the test's process and in the workers; each imports only what its own one needs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from settled.engines.base import RemoteEngine
from settled.engines.executor import ExecutorEngine

TARGET = "tests.engines.app:tasks"
Settings = dict[str, Any]


def engine_of(settings: Settings) -> RemoteEngine | None:
    """The engine that an app with these settings has."""
    return _ENGINES[settings["engine"]](settings)


def _celery(settings: Settings) -> RemoteEngine:
    from celery import Celery

    from settled.engines.celery import CeleryEngine

    app = Celery("tests", broker=settings["broker"], set_as_current=False)
    app.conf.broker_connection_retry_on_startup = True
    app.conf.broker_connection_timeout = 2
    if settings["broker"].startswith("redis"):
        app.conf.broker_transport_options = {"global_keyprefix": f"{settings['queue']}:"}
    return CeleryEngine(app, queue=settings["queue"])


def _procrastinate(settings: Settings) -> RemoteEngine:
    from procrastinate import App, PsycopgConnector

    from settled.engines.procrastinate import ProcrastinateEngine

    return ProcrastinateEngine(App(connector=PsycopgConnector(conninfo=settings["broker"])), queue=settings["queue"])


def _pool() -> Executor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def _dask(settings: Settings) -> RemoteEngine:
    def connect() -> Executor:
        from distributed import Client

        executor: Executor = Client(settings["broker"], set_as_default=False).get_executor()
        return executor

    return ExecutorEngine(connect, TARGET)


_ENGINES: dict[str, Callable[[Settings], RemoteEngine | None]] = {
    "celery": _celery,
    "procrastinate": _procrastinate,
    "executor": lambda settings: ExecutorEngine(_pool, TARGET),
    "dask": _dask,
    "embedded": lambda settings: None,
}
