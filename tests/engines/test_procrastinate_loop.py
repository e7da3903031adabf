"""A worker of Procrastinate that the application runs itself: tasks run on its event loop, and end with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from settled import Reason, Status, Tasks, doctor
from settled.engines.procrastinate import ProcrastinateEngine
from tests.crash.processes import until
from tests.engines.kinds import ProcrastinateKind

WITHIN = 20.0


async def on_the_loop() -> int:
    return threading.get_ident()


def in_a_thread() -> int:
    return threading.get_ident()


async def for_long() -> None:
    await asyncio.sleep(600)


@pytest.fixture
def kind() -> Iterator[ProcrastinateKind]:
    made = ProcrastinateKind()
    yield made
    made.close()


@pytest.fixture
def app(kind: ProcrastinateKind) -> App:
    return App(connector=PsycopgConnector(conninfo=kind.broker))


@pytest.fixture
def tasks(kind: ProcrastinateKind, app: App, tmp_path: Path) -> Iterator[Tasks]:
    made = Tasks(f"sqlite:///{tmp_path}/tasks.db", engine=ProcrastinateEngine(app, queue=kind.queue))
    for function in (on_the_loop, in_a_thread):
        made.task(timeout=30)(function)
    made.task(timeout=600, attempts=2, backoff=60)(for_long)
    yield made
    try:
        assert [finding for finding in doctor.check(made.ledger) if finding.level == "broken"] == []
    finally:
        made.stop()


@contextmanager
def working(app: App, kind: ProcrastinateKind, **options: Any) -> Iterator[None]:
    """A worker in a thread for as long as the block lasts; then it is told to stop, and has stopped."""
    loop = asyncio.new_event_loop()
    worker: asyncio.Task[None] | None = None

    async def run() -> None:
        nonlocal worker
        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(queues=[kind.queue], concurrency=5, install_signal_handlers=False, **options)
            )
            await asyncio.wait([worker])

    def end() -> None:
        if worker is not None:
            worker.cancel()

    def in_its_thread() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=in_its_thread)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(end)
        thread.join(WITHIN)
        assert not thread.is_alive()


def test_one_that_ends_its_loop_may_be_run_again(app: App, kind: ProcrastinateKind, tasks: Tasks) -> None:
    for _ in range(2):
        sent = [tasks.submit("on_the_loop"), tasks.submit("in_a_thread")]
        until(lambda: kind.messages() == 2, WITHIN, "both are published")
        app.run_worker(queues=[kind.queue], wait=False)
        loop_thread, other_thread = [task.wait(WITHIN).unwrap() for task in sent]
        assert loop_thread == threading.get_ident()
        assert other_thread != loop_thread


def test_an_attempt_that_a_shutdown_does_not_wait_for_is_interrupted(
    app: App, kind: ProcrastinateKind, tasks: Tasks
) -> None:
    with working(app, kind, shutdown_graceful_timeout=0.05):
        task = tasks.submit("for_long")
        until(lambda: task.refresh().status is Status.RUNNING, WITHIN, "it runs")
    until(lambda: task.refresh().status is Status.PENDING, WITHIN, "it is put back for its next attempt")
    assert "shut down" in str(task.snapshot.previous_error)


def test_a_job_that_is_aborted_in_procrastinate_ends_its_task(app: App, kind: ProcrastinateKind, tasks: Tasks) -> None:
    with working(app, kind):
        task = tasks.submit("for_long")
        until(lambda: task.refresh().status is Status.RUNNING, WITHIN, "it runs")
        with psycopg.connect(kind.broker) as connection:
            found = connection.execute("SELECT id FROM procrastinate_jobs WHERE status = 'doing'").fetchall()
        with App(connector=SyncPsycopgConnector(conninfo=kind.broker)).open() as other:
            other.job_manager.cancel_job_by_id(found[0][0], abort=True)
        ending = task.wait(WITHIN)
    assert (ending.reason, ending.message) == (Reason.CANCELLED, "Its job was aborted in Procrastinate.")
