"""A function that takes too long: its task settles at its deadline, and the work is stopped."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from settled import Reason, Snapshot, Status, Tasks
from settled.runner import where
from tests.runner import functions
from tests.runner.stage import Stage, acomes_true, comes_true, ended, late_by, lives

LIMIT = 0.6
"""Seconds of timeout."""
LIMIT_OF_PROCESSES = 6.0
"""The same for those that have to start first, on a busy machine."""
LATE = 5_000
"""Milliseconds after the deadline by which a task has to have settled, on a machine that stands still now and then."""
NOBODY_ELSE = 10_000
"""Milliseconds after the deadline for which nobody but who runs it settles it: longer than ``LATE``."""


@pytest.fixture(autouse=True)
def only_who_runs_it_says_that_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 0.25 s anybody would, who cannot say where it was: whoever is first when all of them stood still."""
    for module in ("rows", "sqlite_transaction", "sqlite_lanes"):
        monkeypatch.setattr(f"settled.stores.{module}.EXPIRY_MARGIN_MS", NOBODY_ELSE)


def run_over(stage: Stage, how: str, *, function: Callable[..., object] | None = None) -> Snapshot:
    """Run a function over its time; a second one and the loop still do well after it."""
    hang = function or (functions.ahang if stage.isolation == "coroutine" else functions.hang)
    limit = LIMIT_OF_PROCESSES if stage.isolation == "process" else LIMIT
    row = stage.run(hang, how, str(stage.folder), timeout=limit, kill_grace=0.3)
    assert (row.status, row.reason) == (Status.FAILED, Reason.TIMEOUT)
    assert f"Attempt 1 of 1 ran longer than its timeout of {limit:g} s" in (row.error_message or "")
    assert 0 <= late_by(row) <= LATE
    return row


def threads_at(function: str) -> bool:
    """Whether any task's thread is still in this function."""
    for thread in threading.enumerate():
        frame = where.frame_of(thread.ident or 0)
        while thread.name == "settled-task" and frame is not None:
            if frame.f_code.co_name == function:
                return True
            frame = frame.f_back
    return False


def test_a_coroutine_that_waits_for_ever_is_cancelled_and_says_where(tmp_path: object) -> None:
    stage = Stage(tmp_path, "coroutine")  # type: ignore[arg-type]
    assert "it was waiting at functions.py:" in (run_over(stage, "await").error_message or "")


@pytest.mark.parametrize("how", ["sleep", "busy"])
def test_a_coroutine_that_holds_the_loop_is_broken_and_says_where(tmp_path: object, how: str) -> None:
    stage = Stage(tmp_path, "coroutine")  # type: ignore[arg-type]
    begun = time.monotonic()
    said = run_over(stage, how).error_message or ""
    assert "it held the event loop at functions.py:" in said
    assert time.monotonic() - begun < functions.LONG / 2


def test_a_coroutine_that_refuses_to_end_does_not_keep_its_place(tmp_path: object) -> None:
    async def play(tasks: Tasks) -> None:
        hang = stage.register(tasks, functions.ahang, timeout=LIMIT, kill_grace=0.3)
        good = stage.register(tasks, functions.give, timeout=10, start_timeout=8)  # less than the refusal
        first = await hang.asubmit("refusing to end", "")
        waiting = await good.asubmit("well")
        row = ended(await first)
        assert row.reason is Reason.TIMEOUT
        assert late_by(row) <= LATE
        assert ended(await waiting).result == "well"

    stage = Stage(tmp_path, "coroutine")  # type: ignore[arg-type]
    stage.act(play, concurrency=1)


@pytest.mark.parametrize("how", ["busy", "refusing to end"])
def test_a_thread_in_python_code_is_broken_and_says_where(tmp_path: object, how: str) -> None:
    said = run_over(Stage(tmp_path, "thread"), how).error_message or ""  # type: ignore[arg-type]
    assert "it was at functions.py:" in said
    assert comes_true(lambda: not threads_at("be_busy") and not threads_at("refuse_to_end"))


def test_a_thread_that_cannot_be_broken_is_left_behind_and_does_not_keep_its_place(tmp_path: object) -> None:
    async def play(tasks: Tasks) -> None:
        sleep = stage.register(tasks, functions.hang, timeout=LIMIT)
        good = stage.register(tasks, functions.give)
        first = await sleep.asubmit("sleep", str(stage.folder))
        waiting = await good.asubmit("well")
        row = ended(await first)
        assert row.reason is Reason.TIMEOUT
        assert late_by(row) <= LATE
        assert ended(await waiting).result == "well"

    stage = Stage(tmp_path, "thread")  # type: ignore[arg-type]
    stage.act(play, threads=1)


@pytest.mark.parametrize("how", functions.HANGS)
def test_a_process_is_killed_whatever_it_does(processes: Stage, how: str) -> None:
    said = run_over(processes, how).error_message or ""
    pids = [
        int((processes.folder / name).read_text()) for name in ("pid", "child") if (processes.folder / name).exists()
    ]
    assert pids
    assert "in a process of its own" in said
    assert comes_true(lambda: not any(map(lives, pids)))


def test_what_times_out_while_the_loop_is_held_settles_on_time_and_is_stopped(processes: Stage) -> None:
    """The watchdog decides then, from its own thread; but it cannot stop the work, so somebody has to later."""

    async def play(tasks: Tasks) -> None:
        limit = LIMIT_OF_PROCESSES
        apart = processes.register(tasks, functions.hang, name="apart", timeout=limit, kill_grace=0.3)
        beside = tasks.task(name="beside", timeout=limit)(functions.hang)
        waits = tasks.task(name="waits", timeout=limit)(functions.astop_when_told)
        hog = tasks.task(name="hog", timeout=30.0)(hold_the_loop)
        (processes.folder / "t").mkdir()
        (processes.folder / "w").mkdir()
        victims = [
            await apart.asubmit("sleep", str(processes.folder)),
            await beside.asubmit("busy", str(processes.folder / "t")),
            await waits.asubmit(str(processes.folder / "w")),
        ]
        pid = processes.folder / "pid"
        assert await acomes_true(lambda: pid.exists() and pid.read_text())
        assert ended(await (await hog.asubmit([victim.id for victim in victims]))).result == "all had settled"
        for victim in victims:
            row = ended(await victim)
            assert row.reason is Reason.TIMEOUT
            assert late_by(row) <= LATE
        assert await acomes_true(lambda: not lives(int(pid.read_text())))
        assert await acomes_true(lambda: not threads_at("be_busy"))
        assert await acomes_true((processes.folder / "w" / "stopped").exists)

    async def hold_the_loop(victims: list[str]) -> str:
        """Until they have settled, which it sees on a connection of its own."""
        query = "SELECT count(*) FROM task_results WHERE id IN (?, ?, ?) AND finished_at IS NOT NULL"
        with closing(sqlite3.connect(processes.folder / "tasks.db")) as own:
            settled = comes_true(lambda: own.execute(query, victims).fetchone() == (3,), LIMIT_OF_PROCESSES + 10)
        return "all had settled" if settled else "not all have settled"

    processes.act(play)


def test_timeouts_by_the_hundred_all_settle_within_their_bound(tmp_path: object) -> None:
    async def play(tasks: Tasks) -> list[Snapshot]:
        hang = stage.register(tasks, functions.ahang, timeout=1.0)
        submitted = await asyncio.gather(*(hang.asubmit("await", "") for _ in range(200)))
        return [ended(await task) for task in submitted]

    stage = Stage(tmp_path, "coroutine")  # type: ignore[arg-type]
    rows = stage.act(play, concurrency=500)
    assert {row.reason for row in rows} == {Reason.TIMEOUT}
    assert all(row.finished_at is not None and row.finished_at < row.settles_at for row in rows)


def test_an_attempt_that_timed_out_is_followed_by_the_next(stage: Stage) -> None:
    hang = functions.ahang if stage.isolation == "coroutine" else functions.hang
    how = "await" if stage.isolation == "coroutine" else "busy"
    row = stage.run(hang, how, str(stage.folder), timeout=0.4, attempts=2, backoff=0, kill_grace=0.3)
    assert (row.status, row.reason, row.attempt) == (Status.FAILED, Reason.TIMEOUT, 2)
    assert "Attempt 2 of 2" in (row.error_message or "")
    assert (row.previous_error or "").startswith("timeout: Attempt 1 of 2")
    assert late_by(row) <= LATE


def test_a_thread_that_waits_to_log_when_its_time_is_over_leaves_logging_to_others(tmp_path: object) -> None:
    class Slow(logging.Handler):
        """As a full pipe."""

        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "slow":
                writing.set()
                go_on.wait(30)

    def says(folder: str) -> None:
        log.warning("well")
        functions.be_busy(folder)

    async def play(tasks: Tasks) -> None:
        task = await stage.register(tasks, says, timeout=LIMIT).asubmit(str(stage.folder))
        row = ended(await task)
        assert row.reason is Reason.TIMEOUT
        assert threads_at("says")
        go_on.set()
        assert await acomes_true(lambda: not threads_at("says"))

    stage = Stage(tmp_path, "thread")  # type: ignore[arg-type]
    writing, go_on, log = threading.Event(), threading.Event(), logging.getLogger("tests.slow")
    handler = Slow()
    log.addHandler(handler)
    other = threading.Thread(target=log.warning, args=("slow",))
    other.start()
    try:
        assert writing.wait(30)
        stage.act(play)
        other.join(30)
        assert handler.lock is not None
        assert handler.lock.acquire(timeout=30)
        handler.lock.release()
    finally:
        go_on.set()
        log.removeHandler(handler)
