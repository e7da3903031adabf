"""The system clock of one process jumps by an hour: no deadline moves, nobody is blamed, everybody agrees."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from tests.crash.conftest import Worlds
from tests.crash.preload import compiled
from tests.crash.world import LATE, World, quickest

HOUR = 3600
APART = 60
"""Seconds by which two clocks seem to differ that agree, on a machine that stands still between the two looks."""
WITHIN = 20.0
"""Seconds that a test waits for what an hour must not delay."""
JUMPS = pytest.mark.parametrize("hours", [1, -1])


class JumpingClock:
    """The system clock of the processes that get ``environment``."""

    def __init__(self, folder: Path, ahead: int = 0) -> None:
        self._file = folder / "clock"
        self._file.write_bytes(struct.pack("=q", 0))
        self.environment = compiled("clock", folder) | {"SETTLED_CRASH_CLOCK": str(self._file)}
        self.jump(ahead)

    def jump(self, seconds: int) -> None:
        with open(self._file, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", seconds))


@pytest.fixture
def clock(tmp_path: Path) -> JumpingClock:
    return JumpingClock(tmp_path)


@pytest.fixture
def world(worlds: Worlds) -> World:
    return worlds(lease=30)  # far shorter than the jump, and longer than a busy machine keeps a worker silent


@JUMPS
def test_a_jump_while_a_task_runs_moves_no_deadline(world: World, clock: JumpingClock, hours: int) -> None:
    worker = world.worker(environment=clock.environment)
    other = world.worker(without="held")

    def delay() -> float:
        clock.jump(0)
        task = worker.submit("held", world.gate(), timeout=3)
        world.executing(task)
        before = world.row(task)
        clock.jump(hours * HOUR)
        assert abs(worker.ask(do="wall")["wall"] - time.time() - hours * HOUR) < APART, "the shim works"
        row = world.written(task, WITHIN)
        late: float = (row["finished_at"] - row["started_at"] - row["timeout_ms"]) / 1000
        assert row["reason"] == "timeout"
        assert late >= 0
        assert (row["settles_at"], row["deadline_at"]) == (before["settles_at"], before["deadline_at"])
        return late

    least = quickest(delay)

    world.record(f"a system clock that jumps by {hours:+d} h mid-task", "failed / timeout (after its deadline)", least)
    assert least < LATE
    assert set(world.workers()) == {worker.worker, other.worker}, "nobody was declared lost"


@JUMPS
def test_what_is_submitted_after_a_jump_has_the_deadlines_of_the_others_clock(
    world: World, clock: JumpingClock, hours: int
) -> None:
    web = world.submitter(environment=clock.environment)
    world.worker()
    clock.jump(hours * HOUR)

    task = web.submit("held", world.gate(), timeout=4, start_timeout=10)

    row = world.row(task)
    assert abs(row["created_at"] - world.now()) < APART * 1000
    assert 20 < web.look(task)["settles_in"] <= 10 + 4 + 30
    assert world.written(task, WITHIN)["reason"] == "timeout"


@JUMPS
def test_a_process_that_starts_with_another_clock_takes_over_the_ledgers(
    world: World, clock: JumpingClock, hours: int
) -> None:
    worker = world.worker()
    task = worker.submit("held", world.gate(), timeout=2)
    world.executing(task)
    clock.jump(hours * HOUR)

    late_comer = world.worker(environment=clock.environment)

    assert abs(late_comer.look(task)["as_of"] - world.now()) < APART * 1000
    assert world.written(task, WITHIN)["reason"] == "timeout"
    assert set(world.workers()) == {worker.worker, late_comer.worker}


@JUMPS
def test_open_tasks_keep_their_deadlines_over_a_restart_with_another_clock(
    world: World, clock: JumpingClock, hours: int
) -> None:
    worker = world.worker()
    task = worker.submit("held", world.gate(), attempts=2, timeout=20)
    world.executing(task)
    worker.kill()
    clock.jump(hours * HOUR)

    again = world.worker(environment=clock.environment)
    assert world.executing(task, attempt=2, within=WITHIN).pid == again.pid
    world.open_gate()

    assert world.written(task, WITHIN)["status"] == "completed"


@JUMPS
def test_a_reader_that_was_open_all_along_agrees_with_a_process_that_starts_with_another_clock(
    world: World, clock: JumpingClock, hours: int
) -> None:
    web = world.submitter()
    assert world.ledger.counts()["pending"] == 0  # the test's own reader is open too, and nothing else is
    clock.jump(hours * HOUR)

    late_comer = world.submitter(environment=clock.environment)
    task = late_comer.submit("quick", 1, start_timeout=6, timeout=1)

    assert abs(web.look(task)["as_of"] - late_comer.look(task)["as_of"]) < APART * 1000
    assert not web.look(task)["settled"]
    for process in (web, late_comer):  # nobody is left to settle it but the test's own reader
        process.kill()
    seen = world.polled(task, within=WITHIN)
    assert seen.reason == "never_started"
    assert seen.finished_at is not None
    assert world.open_at < seen.deadline_at <= seen.finished_at
