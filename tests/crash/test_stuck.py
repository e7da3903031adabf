"""Work that nobody can ask to stop: a call in C that keeps the interpreter lock, a coroutine that holds its loop."""

from __future__ import annotations

import time

import pytest

from tests.crash.conftest import Worlds
from tests.crash.processes import Host, until
from tests.crash.world import LATE, World, quickest

TIMEOUT = 1.0
WITHIN = 20.0
"""Seconds that a test waits for a verdict; whether it came in time is seen by what the row says."""


def late(row: dict[str, int]) -> float:
    """Seconds from the attempt's timeout to its verdict."""
    return (row["finished_at"] - row["started_at"] - row["timeout_ms"]) / 1000


def seized(world: World, worker: Host, seconds: int, **using: float) -> str:
    """Have a task keep its worker's interpreter lock; return its id.

    Not from within a write: nobody else could write to a SQLite file until the call ends.
    """

    def outside() -> str | None:
        task = worker.submit("keeps_the_interpreter_lock", seconds, **using)
        world.executing(task)
        if not world.eyes.locked():
            return task
        world.written(task, seconds + WITHIN)
        return None

    found: str = until(outside, 60, "the interpreter lock is taken outside of a write")
    return found


def test_a_worker_that_keeps_the_interpreter_lock_is_settled_by_another_process_on_time(world: World) -> None:
    worker = world.worker()
    world.worker()

    def delay() -> float:
        task = seized(world, worker, 4, timeout=TIMEOUT)
        row = world.written(task, WITHIN)
        assert row["reason"] == "timeout"
        assert worker.submit("quick", 1)  # as soon as the call has returned
        assert world.row(task) == row
        return late(row)

    least = quickest(delay)

    world.record("a C call that keeps the interpreter lock (thread)", "failed / timeout (after its deadline)", least)
    assert least < LATE


def test_a_page_that_polls_elsewhere_is_answered_while_the_worker_keeps_the_interpreter_lock(world: World) -> None:
    worker = world.worker()
    task = seized(world, worker, 3, timeout=TIMEOUT)

    seen = world.polled(task, within=WITHIN)

    assert seen.reason == "timeout"
    assert seen.started_at is not None
    assert seen.finished_at is not None
    assert world.open_at < seen.deadline_at <= seen.finished_at
    assert (seen.deadline_at - seen.started_at - seen.timeout_ms) / 1000 < LATE


def test_the_next_attempt_of_a_stuck_one_runs_elsewhere_and_the_stuck_one_is_refused(world: World) -> None:
    worker = world.worker()
    other = world.worker()
    task = seized(world, worker, 7, timeout=TIMEOUT, attempts=2)

    assert world.executing(task, attempt=2, within=WITHIN).pid == other.pid

    row = world.written(task, WITHIN)
    assert row["reason"] == "timeout"
    assert row["attempt"] == 2


def test_a_frozen_interpreter_is_lost_with_its_lease_when_the_deadline_is_far(worlds: Worlds) -> None:
    world = worlds(lease=1.5)
    worker = world.worker()
    world.worker(without="keeps_the_interpreter_lock")
    begun = time.monotonic()
    task = seized(world, worker, 15)

    row = world.written(task, 12)

    world.record("the same with a far deadline, lease of 1.5 s", f"failed / {row['reason']}", time.monotonic() - begun)
    assert row["reason"] == "worker_lost"


def test_in_a_process_of_its_own_it_is_killed_on_time_and_the_worker_goes_on(world: World) -> None:
    worker = world.worker()

    def delay() -> float:
        task = worker.submit("keeps_it_in_a_process", 60, timeout=TIMEOUT)
        quick = worker.submit("quick", 1)
        row = world.written(task, WITHIN)
        assert row["reason"] == "timeout"
        assert world.written(quick, WITHIN)["status"] == "completed"
        return late(row)

    least = quickest(delay)

    world.record("a C call that keeps the interpreter lock (process)", "failed / timeout (after its deadline)", least)
    assert least < LATE


@pytest.mark.parametrize(("name", "args"), [("blocks_the_loop", [60]), ("spins_the_loop", [])])
def test_a_coroutine_that_holds_its_loop_is_broken_on_time_and_the_worker_goes_on(
    world: World, name: str, args: list[int]
) -> None:
    worker = world.worker()
    messages: list[str] = []

    def delay() -> float:
        task = worker.submit(name, *args, timeout=TIMEOUT)
        quick = worker.submit("quick", 1)
        row = world.written(task, WITHIN)
        assert row["reason"] == "timeout"
        assert world.written(quick, WITHIN)["status"] == "completed"
        messages.append(row["error_message"])
        # The sweeper knows nothing of where: it is first only if the watchdog stood still.
        return late(row) if "held the event loop at functions.py" in messages[-1] else LATE

    least = quickest(delay)

    world.record(f"a coroutine that holds its event loop ({name})", "failed / timeout (after its deadline)", least)
    assert least < LATE, messages
    assert world.written(worker.submit("quick", 2), WITHIN)["status"] == "completed"
