"""Work that nobody can ask to stop: a call in C that keeps the interpreter lock, a coroutine that holds its loop."""

from __future__ import annotations

import time

import pytest

from tests.crash.conftest import Worlds
from tests.crash.world import LATE, World

TIMEOUT = 1.0


def late(row: dict[str, int]) -> float:
    """Seconds from the attempt's timeout to its verdict."""
    return (row["finished_at"] - row["started_at"] - row["timeout_ms"]) / 1000


def test_a_worker_that_keeps_the_interpreter_lock_is_settled_by_another_process_on_time(world: World) -> None:
    worker = world.worker()
    world.worker()
    task = worker.submit("keeps_the_interpreter_lock", 4, timeout=TIMEOUT)
    world.executing(task)

    row = world.written(task, TIMEOUT + 2)

    world.record(
        "a C call that keeps the interpreter lock (thread)", f"failed / {row['reason']} (after its deadline)", late(row)
    )
    assert row["reason"] == "timeout"
    assert late(row) < LATE
    assert worker.submit("quick", 1)  # as soon as the call has returned
    assert world.row(task) == row


def test_a_page_that_polls_elsewhere_is_answered_while_the_worker_keeps_the_interpreter_lock(world: World) -> None:
    worker = world.worker()
    task = worker.submit("keeps_the_interpreter_lock", 3, timeout=TIMEOUT)
    world.executing(task)

    seen = world.polled(task, within=TIMEOUT + 2)

    assert seen.reason == "timeout"
    assert late(seen._asdict()) < LATE


def test_the_next_attempt_of_a_stuck_one_runs_elsewhere_and_the_stuck_one_is_refused(world: World) -> None:
    worker = world.worker()
    other = world.worker()
    task = worker.submit("keeps_the_interpreter_lock", 3, timeout=TIMEOUT, attempts=2)
    world.executing(task)

    assert world.executing(task, attempt=2, within=TIMEOUT + 2).pid == other.pid

    row = world.written(task, TIMEOUT + 3)
    assert row["reason"] == "timeout"
    assert row["attempt"] == 2


def test_a_frozen_interpreter_is_lost_with_its_lease_when_the_deadline_is_far(worlds: Worlds) -> None:
    world = worlds(lease=1.5)
    worker = world.worker()
    world.worker(without="keeps_the_interpreter_lock")
    begun = time.monotonic()
    task = worker.submit("keeps_the_interpreter_lock", 5)
    world.executing(task)

    row = world.written(task, 4)

    world.record("the same with a far deadline, lease of 1.5 s", f"failed / {row['reason']}", time.monotonic() - begun)
    assert row["reason"] == "worker_lost"


def test_in_a_process_of_its_own_it_is_killed_on_time_and_the_worker_goes_on(world: World) -> None:
    worker = world.worker()
    task = worker.submit("keeps_it_in_a_process", 60, timeout=TIMEOUT)
    quick = worker.submit("quick", 1)

    row = world.written(task, TIMEOUT + 2)

    world.record(
        "a C call that keeps the interpreter lock (process)",
        f"failed / {row['reason']} (after its deadline)",
        late(row),
    )
    assert row["reason"] == "timeout"
    assert late(row) < LATE
    assert world.written(quick, 1)["status"] == "completed"


@pytest.mark.parametrize(("name", "args"), [("blocks_the_loop", [60]), ("spins_the_loop", [])])
def test_a_coroutine_that_holds_its_loop_is_broken_on_time_and_the_worker_goes_on(
    world: World, name: str, args: list[int]
) -> None:
    worker = world.worker()
    task = worker.submit(name, *args, timeout=TIMEOUT)
    quick = worker.submit("quick", 1)

    row = world.written(task, TIMEOUT + 2)

    world.record(
        f"a coroutine that holds its event loop ({name})", f"failed / {row['reason']} (after its deadline)", late(row)
    )
    assert row["reason"] == "timeout"
    assert "held the event loop at functions.py" in row["error_message"]
    assert late(row) < LATE
    assert world.written(quick, 2)["status"] == "completed"
    assert world.written(worker.submit("quick", 2), 2)["status"] == "completed"
