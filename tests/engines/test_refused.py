"""What an engine refuses for good settles at once as ``enqueue_failed``, and says why."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from celery import Celery
from procrastinate import App, PsycopgConnector

from settled import BadInput, Ending, Reason, Tasks
from settled.engines.base import RemoteEngine
from settled.engines.celery import CeleryEngine
from settled.engines.executor import ExecutorEngine
from settled.engines.procrastinate import ProcrastinateEngine
from tests import brokers, servers
from tests.engines.functions import build

Submitters = Callable[[RemoteEngine], Tasks]


@pytest.fixture
def submitter(tmp_path: Path) -> Iterator[Submitters]:
    made: list[Tasks] = []

    def make(engine: RemoteEngine) -> Tasks:
        made.append(build(f"sqlite:///{tmp_path}/tasks.db", engine))
        return made[-1]

    yield make
    for tasks in made:
        tasks.stop()


def refused(ending: Ending) -> str:
    assert ending.reason is Reason.ENQUEUE_FAILED, ending
    return ending.message


def spawned() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def test_a_queue_that_celery_does_not_know(submitter: Submitters) -> None:
    app = Celery("tests", broker=brokers.redis_url(), set_as_current=False)
    app.conf.task_create_missing_queues = False
    tasks = submitter(CeleryEngine(app, queue="nowhere"))
    assert "celery refused the task: QueueNotFound" in refused(tasks.submit("gives", 1).wait(30))


def test_a_database_without_the_tables_of_procrastinate(submitter: Submitters) -> None:
    with psycopg.connect(servers.postgres()) as connection:
        conninfo = f"{connection.info.dsn} options='-c search_path=settled_nowhere'"
    tasks = submitter(ProcrastinateEngine(App(connector=PsycopgConnector(conninfo=conninfo))))
    assert "procrastinate refused the task: Undefined" in refused(tasks.submit("gives", 1).wait(30))


def test_an_application_that_the_pool_cannot_import(submitter: Submitters) -> None:
    tasks = submitter(ExecutorEngine(spawned, "no_such_module:tasks"))
    assert "its worker cannot find no_such_module:tasks" in refused(tasks.submit("gives", 1).wait(30))


def test_an_application_that_has_another_ledger_in_the_pool(
    submitter: Submitters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other_app.py").write_text("from settled import Tasks\ntasks = Tasks('sqlite:///other.db')\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    tasks = submitter(ExecutorEngine(spawned, "other_app:tasks"))
    message = refused(tasks.submit("gives", 1).wait(30))
    assert "on sqlite:///other.db in its worker. Use one absolute URL for both." in message


def test_a_broken_pool_that_cannot_be_made_anew(submitter: Submitters) -> None:
    pool = spawned()
    with pytest.raises(BrokenExecutor):
        pool.submit(os._exit, 1).result(timeout=30)
    tasks = submitter(ExecutorEngine(pool, "tests.engines.app:tasks"))
    assert "executor refused the task: the pool is broken" in refused(tasks.submit("gives", 1).wait(30))


def test_a_pool_that_forks_is_no_engine() -> None:
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool,
        pytest.raises(BadInput, match=r"forks.*Make it with mp_context=multiprocessing\.get_context\('spawn'\)"),
    ):
        ExecutorEngine(pool, "app:tasks")


@pytest.mark.parametrize("target", ["app", ":tasks", "app:", "__main__:tasks"])
def test_a_target_that_a_worker_cannot_find_is_no_target(target: str) -> None:
    with pytest.raises(BadInput, match="MODULE:ATTRIBUTE"):
        ExecutorEngine(spawned, target)


def test_a_pool_of_threads_carries_tasks_in_the_process_that_submits(
    submitter: Submitters, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("app_of_threads")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with ThreadPoolExecutor(2) as pool:
        module.tasks = tasks = submitter(ExecutorEngine(pool, "app_of_threads:tasks"))  # type: ignore[attr-defined]
        monkeypatch.setenv("SETTLED_CRASH_EVIDENCE", "/dev/null")
        assert [tasks.submit("gives", number).result(30) for number in range(4)] == [0, 1, 2, 3]
