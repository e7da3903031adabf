"""Submitted while nothing runs, or nobody knows the function: picked up when somebody comes, or never started."""

from __future__ import annotations

import time

from tests.crash.conftest import Worlds
from tests.crash.processes import until
from tests.crash.world import LATE, World, quickest

WITHIN = 20.0
"""Seconds that a test waits for what is a matter of a moment."""


def test_a_task_submitted_while_nothing_runs_is_picked_up_when_a_worker_comes(world: World) -> None:
    tasks = [
        world.submit(name, *args)
        for name, *args in (("quick", 1), ("held_in_thread", world.gate()), ("held_in_process", world.gate()))
    ]
    world.open_gate()

    begun = time.monotonic()
    world.worker()
    rows = [world.written(task, WITHIN) for task in tasks]

    world.record("submitted while nothing ran, then a worker came", "completed", time.monotonic() - begun)
    assert [row["status"] for row in rows] == ["completed"] * 3


def test_a_task_that_nobody_comes_for_settles_as_never_started_on_a_poll(world: World) -> None:
    task = world.submit("quick", 1, start_timeout=1)

    row = world.polled(task, within=WITHIN)

    late = (row.finished_at - row.deadline_at) / 1000
    world.record("submitted while nothing runs, nobody comes", f"failed / {row.reason} (after its deadline)", late)
    assert row.reason == "never_started"
    assert "no worker is alive; start one" in row.error_message
    assert world.open_at < row.deadline_at <= row.finished_at


def test_a_worker_that_comes_too_late_does_not_run_it(world: World) -> None:
    task = world.submit("quick", 1, start_timeout=0.3)
    until(lambda: world.now() > world.row(task)["deadline_at"], WITHIN, "it is overdue, and nobody has looked")

    world.worker()

    assert world.written(task, WITHIN)["reason"] == "never_started"
    assert world.executions() == []


def test_a_task_that_finds_no_free_place_says_so(worlds: Worlds) -> None:
    world = worlds(concurrency=1)
    worker = world.worker()
    world.executing(worker.submit("held", world.gate()))

    def delay() -> float:
        row = world.written(worker.submit("quick", 1, start_timeout=0.7), WITHIN)
        assert row["reason"] == "never_started"
        assert "no place free" in row["error_message"]
        late: float = (row["finished_at"] - row["deadline_at"]) / 1000
        return late

    least = quickest(delay)

    world.record("every place taken until start_timeout", "failed / never_started (after its deadline)", least)
    assert least < LATE


def test_a_task_whose_function_a_deploy_removed_settles_as_never_started_and_says_so(world: World) -> None:
    world.worker(without="quick")

    def delay() -> float:
        old = world.submitter()
        task = old.submit("quick", 1, start_timeout=1)
        old.kill()
        row = world.written(task, WITHIN)
        assert row["reason"] == "never_started"
        assert "none knows a task function named 'quick'" in row["error_message"]
        late: float = (row["finished_at"] - row["deadline_at"]) / 1000
        return late

    least = quickest(delay)

    world.record("unknown task name after a deploy", "failed / never_started (after its deadline)", least)
    assert least < LATE


def test_a_deploy_that_brings_the_function_back_in_time_runs_it(world: World) -> None:
    without = world.worker(without="quick")
    task = world.submit("quick", 1)
    without.kill()

    world.worker()

    assert world.written(task, WITHIN)["status"] == "completed"
    assert len(world.executions(task)) == 1


def test_an_attempt_that_a_deploy_cannot_repeat_tells_of_the_one_before(worlds: Worlds) -> None:
    world = worlds(lease=1)
    old = world.worker()
    world.worker(without="held")  # there already, so that it is this one which finds the other dead
    task = old.submit("held", world.gate(), attempts=2, start_timeout=1, timeout=4)
    world.executing(task)
    old.kill()

    row = world.written(task, WITHIN)

    assert row["reason"] == "never_started"
    assert "worker_lost" in row["error_message"]
