"""SIGTERM, as in a deploy: what runs may finish for a while; what does not is handed on, or settles as interrupted."""

from __future__ import annotations

import signal
import time

import pytest

from tests.crash.conftest import Worlds
from tests.crash.processes import until
from tests.crash.world import HELD, NOTICED, gone

DRAIN = 1.0
ENDS_WITHIN = 7.0
"""Seconds beyond the drain for what is given up on to die, and for the process to leave: less than the 8 after which a
process leaves whatever has not died."""
WITHIN = 20.0
"""Seconds that a test waits for what is a matter of a moment."""


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_task_that_finishes_within_the_drain_completes(worlds: Worlds, name: str, number: signal.Signals) -> None:
    world = worlds(drain=30)
    worker = world.worker()
    task = worker.submit(name, world.gate())
    world.executing(task)

    worker.signal(number)
    late = [worker.submit("quick", n) for n in range(20)]  # some before it has heard the signal, most after

    def heard() -> bool:
        late.append(worker.submit("quick", 20))
        return bool(world.row(late[-1])["status"] == "pending")

    until(heard, WITHIN, "it has heard the signal")
    world.open_gate()

    assert worker.ended(within=WITHIN) == 0
    assert world.row(task)["status"] == "completed"
    assert {world.row(other)["status"] for other in late} <= {"completed", "pending"}
    assert world.row(late[-1])["status"] == "pending"
    assert world.workers() == {}


@pytest.mark.parametrize("name", HELD)
def test_a_task_that_does_not_finish_in_time_settles_as_interrupted(worlds: Worlds, name: str) -> None:
    world = worlds(drain=DRAIN)
    worker = world.worker()
    task = worker.submit(name, world.gate())
    world.executing(task)

    told = worker.signal(signal.SIGTERM)
    row = world.written(task, DRAIN + ENDS_WITHIN)
    world.record(
        f"SIGTERM mid-task ({name}), drain of {DRAIN:g} s", f"failed / {row['reason']}", time.monotonic() - told
    )

    assert row["reason"] == "interrupted"
    assert "shut down" in row["error_message"]
    assert worker.ended(within=ENDS_WITHIN) == 0


def test_a_worker_whose_loop_is_held_ends_when_that_task_is_broken(worlds: Worlds) -> None:
    world = worlds(drain=DRAIN)
    worker = world.worker()
    task = worker.submit("holds_the_loop", world.gate(), timeout=1)
    other = worker.submit("held", world.gate())
    world.executing(task)

    worker.signal(signal.SIGTERM)

    assert world.written(task, 1 + ENDS_WITHIN)["reason"] == "timeout"
    assert worker.ended(within=DRAIN + ENDS_WITHIN) == 0
    assert world.row(other)["reason"] == "interrupted"


@pytest.mark.parametrize("name", HELD)
def test_a_task_with_attempts_left_is_handed_to_another_process(worlds: Worlds, name: str) -> None:
    world = worlds(drain=DRAIN)
    worker, other = world.worker(), world.worker()
    task = worker.submit(name, world.gate(), attempts=2)
    world.executing(task)

    told = worker.signal(signal.SIGTERM)
    second = world.executing(task, attempt=2, within=WITHIN)
    world.record(f"SIGTERM mid-task ({name}), an attempt left", "running again elsewhere", time.monotonic() - told)
    world.open_gate()

    assert world.written(task, WITHIN)["status"] == "completed"
    if name != "held_in_process":  # that one runs in a process of its own
        assert second.pid == other.pid
    assert worker.ended(within=ENDS_WITHIN) == 0


def test_what_had_not_started_waits_for_the_next_process(worlds: Worlds) -> None:
    world = worlds(drain=0.2, concurrency=1)
    worker = world.worker()
    running = worker.submit("held", world.gate())
    world.executing(running)
    waiting = [worker.submit("quick", number) for number in range(3)]
    worker.signal(signal.SIGTERM)
    worker.ended(within=ENDS_WITHIN)
    assert [world.row(task)["status"] for task in waiting] == ["pending"] * 3

    world.worker()

    assert [world.written(task, WITHIN)["status"] for task in waiting] == ["completed"] * 3
    assert world.row(running)["reason"] == "interrupted"


def test_a_second_sigterm_does_no_harm(worlds: Worlds) -> None:
    world = worlds(drain=DRAIN)
    worker = world.worker()
    task = worker.submit("held", world.gate())
    world.executing(task)

    worker.signal(signal.SIGTERM)
    until(lambda: worker.alive, 1, "it drains")
    worker.signal(signal.SIGTERM)

    assert world.written(task, DRAIN + ENDS_WITHIN)["reason"] == "interrupted"
    assert worker.ended(within=ENDS_WITHIN) == 0


def test_a_kill_during_the_drain_is_a_kill(worlds: Worlds) -> None:
    world = worlds(drain=30)
    worker = world.worker()
    world.worker()
    task = worker.submit("held", world.gate())
    world.executing(task)

    worker.signal(signal.SIGTERM)
    killed = worker.kill()
    row = world.written(task, NOTICED)

    world.record("SIGKILL during the drain, another alive", f"failed / {row['reason']}", time.monotonic() - killed)
    assert row["reason"] == "worker_lost"


def test_a_grandchild_does_not_outlive_a_drain_that_is_over(worlds: Worlds) -> None:
    world = worlds(drain=0.2)
    worker = world.worker()
    family = world.family(worker)

    worker.signal(signal.SIGTERM)

    until(lambda: all(map(gone, family)), ENDS_WITHIN, "child and grandchild are gone")
    assert worker.ended(within=ENDS_WITHIN) == 0
