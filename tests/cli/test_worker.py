"""``settled worker``: a real process, told to end by real signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from settled import Reason, Snapshot, Status, Tasks
from tests.crash.processes import ANSWERS_WITHIN, STARTS_WITHIN, Process, until

APP = """
import asyncio, os, pathlib, time
from settled import Tasks

tasks = Tasks("sqlite:///tasks.db", embedded=False, drain=60.0)

@tasks.task
async def where() -> int:
    return os.getpid()

@tasks.task
async def until_told() -> str:
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.01)
    return "done"

@tasks.task
async def hang() -> None:
    await asyncio.Event().wait()

@tasks.task
def hang_in_a_thread() -> None:
    while True:
        time.sleep(1)

@tasks.task(kill_grace=0.1)
async def deaf() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

@tasks.task
async def hog() -> None:
    while True:
        pass
"""
ENDS_WITHIN = 30.0


class Worker(Process):
    """A ``settled worker`` and the sentences that it says."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = folder / "worker.log"
        super().__init__(
            [sys.executable, "-m", "settled.cli", "worker", "app:tasks", *arguments],
            {"PYTHONUNBUFFERED": "1"},
            self._log,
        )
        self._said = ""

    def says(self, words: str) -> str:
        """Wait until it has said something; return all of it."""
        while words not in self._said:
            more = self.heard(STARTS_WITHIN)
            assert more, f"it ended without saying {words!r}: {self._said}{self._log.read_text()}"
            self._said += more.decode()
        return self._said

    @property
    def complaints(self) -> str:
        return self._log.read_text()


@pytest.fixture
def tasks(folder: Path) -> Iterator[Tasks]:
    """The same ledger from this process, which runs nothing."""
    (folder / "app.py").write_text(APP)
    made = Tasks("sqlite:///tasks.db", embedded=False)

    def named(name: str) -> None:
        async def function() -> None: ...

        made.task(name=name)(function)

    for name in ("where", "until_told", "hang", "hang_in_a_thread", "deaf", "hog"):
        named(name)
    yield made
    made.stop()


@pytest.fixture
def worker(folder: Path, tasks: Tasks) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def start(*arguments: str) -> Worker:
        made.append(Worker(folder, *arguments))
        made[-1].says("settled: worker")
        return made[-1]

    yield start
    for process in made:
        process.close()


def running(tasks: Tasks, task_id: str) -> Snapshot:
    return until(lambda: (row := tasks.get(task_id)).status is Status.RUNNING and row, ANSWERS_WITHIN, "it runs")


def test_a_worker_says_what_it_runs_and_runs_what_the_application_only_submits(tasks, worker):
    process = worker()
    said = process.says("tasks.db")
    assert f"worker {process.pid} runs deaf, hang, hang_in_a_thread, hog, until_told, where of app:tasks" in said
    ended = tasks.submit("where").wait(timeout=ANSWERS_WITHIN)
    assert ended.result == process.pid


@pytest.mark.crash
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_lets_what_runs_finish(folder, tasks, worker, number):
    process = worker()
    task = tasks.submit("until_told")
    running(tasks, task.id)
    process.signal(number)
    process.says("drains")
    late = tasks.submit("where")
    (folder / "go").touch()
    assert process.ended(ENDS_WITHIN) == 0
    assert task.refresh().result == "done"
    assert late.refresh().status is Status.PENDING  # for the next worker
    assert process.complaints == ""


@pytest.mark.crash
@pytest.mark.parametrize("name", ["hang", "hang_in_a_thread"])
def test_what_does_not_finish_in_the_drain_is_settled_as_interrupted(tasks, worker, name):
    process = worker("--drain", "50ms")
    task = tasks.submit(name)
    running(tasks, task.id)
    process.signal(signal.SIGTERM)
    assert process.ended(ENDS_WITHIN) == 0
    assert task.refresh().reason is Reason.INTERRUPTED


@pytest.mark.crash
def test_the_second_signal_ends_at_once_and_the_task_is_lost_at_once(tasks, worker):
    process = worker("--drain", "1h")
    task = tasks.submit("hang")
    running(tasks, task.id)
    process.signal(signal.SIGTERM)
    process.says("drains")
    process.signal(signal.SIGTERM)
    assert process.ended(ENDS_WITHIN) == -signal.SIGTERM
    assert task.refresh().reason is Reason.WORKER_LOST


@pytest.mark.crash
def test_a_second_signal_ends_it_though_a_task_holds_the_event_loop(tasks, worker):
    process = worker("--drain", "1h")
    task = tasks.submit("hog")
    running(tasks, task.id)

    def told_again() -> bool:
        process.signal(signal.SIGTERM)
        return not process.alive

    until(told_again, ENDS_WITHIN, "it ends")
    assert process.ended(ENDS_WITHIN) == -signal.SIGTERM
    assert task.refresh().reason is Reason.WORKER_LOST


@pytest.mark.crash
@pytest.mark.slow
def test_a_coroutine_that_ignores_its_cancellation_does_not_keep_the_process(tasks, worker):
    process = worker("--drain", "50ms")
    task = tasks.submit("deaf")
    running(tasks, task.id)
    process.signal(signal.SIGTERM)
    assert process.ended(ENDS_WITHIN) == 0
    assert task.refresh().reason is Reason.INTERRUPTED


@pytest.mark.crash
def test_wait_sees_a_killed_worker_though_nobody_else_is_alive(tasks, worker, settled):
    process = worker()
    task = tasks.submit("hang")
    running(tasks, task.id)
    tasks.stop()
    process.kill()
    said = settled("wait", task.id, "--timeout", "10")
    assert said.status == 1
    assert said.out.startswith("failed: worker_lost")


def test_places_of_the_command_line_replace_those_of_the_application(tasks, worker):
    worker("--concurrency", "1")
    first, second = tasks.submit("until_told"), tasks.submit("until_told")
    row = running(tasks, first.id)
    assert row.settled is False
    assert second.refresh().status is Status.PENDING
    Path("go").touch()
    assert second.wait(timeout=ANSWERS_WITHIN).result == "done"
