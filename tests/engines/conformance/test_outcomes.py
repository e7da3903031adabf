"""However a task ends, it ends in the ledger as it would in the embedded engine, whatever carried it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from settled import Reason, Status
from tests.crash.processes import until
from tests.engines.worlds import EngineWorld


@pytest.mark.parametrize("function", ["gives", "quick", "gives_in_a_process"])
def test_a_result_is_stored_from_every_isolation(world: EngineWorld, function: str) -> None:
    row = world.end_of(world.send(function, {"words": [1, None, "é"]}))
    assert (row.status, row.result, row.attempt) == (Status.COMPLETED, {"words": [1, None, "é"]}, 1)


def test_whoever_runs_it_says_what_brings_it_its_tasks(world: EngineWorld) -> None:
    assert world.end_of(world.send("quick", 1)).worker is not None
    name = "embedded" if world.tasks.engine is None else world.tasks.engine.name
    assert world.engines() == {name}


def test_an_exception_is_told_with_its_type_and_message(world: EngineWorld) -> None:
    row = world.end_of(world.send("fails"))
    assert (row.reason, row.error_message, row.error_type) == (Reason.EXCEPTION, "as it is told to", "ValueError")


def test_a_result_that_cannot_be_stored_is_rejected(world: EngineWorld) -> None:
    assert world.end_of(world.send("is_rejected")).reason is Reason.RESULT_REJECTED


@pytest.mark.parametrize("function", ["held", "held_in_thread", "held_in_process"])
def test_an_attempt_that_hangs_ends_at_its_timeout(world: EngineWorld, function: str) -> None:
    row = world.end_of(world.send(function, world.gate("never"), timeout=1.0))
    assert row.reason is Reason.TIMEOUT
    assert row.finished_at is not None
    assert row.finished_at < row.settles_at


def test_a_failed_attempt_is_followed_by_the_next(world: EngineWorld) -> None:
    row = world.end_of(world.send("fails_at_first", attempts=3))
    assert (row.status, row.result, row.attempt) == (Status.COMPLETED, 2, 2)


def test_attempts_are_bounded(world: EngineWorld) -> None:
    task = world.send("fails", attempts=2)
    assert world.end_of(task).attempt == 2
    assert [execution.attempt for execution in world.executions(task.id)] == [1, 2]


def test_progress_is_seen_while_it_runs(world: EngineWorld) -> None:
    gate = world.new_gate()
    task = world.send("reports", world.gate(gate))
    until(lambda: task.refresh().progress == 0.5, 15, "the progress is seen")
    assert task.snapshot.progress_message == "half of it"
    world.open_gate(gate)
    assert world.end_of(task).result == "opened"


def test_a_cancel_reaches_the_process_that_runs_it(world: EngineWorld, tmp_path: Path) -> None:
    told = tmp_path / "told"
    task = world.send("tells_of_its_end", str(told))
    world.executing(task.id)
    assert task.cancel().reason is Reason.CANCELLED
    until(told.exists, 15, "the function was told")


def test_what_is_delivered_again_and_again_runs_once(world: EngineWorld) -> None:
    if world.tasks.engine is None:
        return
    gate = world.new_gate()
    task = world.send("held_in_thread", world.gate(gate))
    world.executing(task.id)
    for _ in range(3):
        world.deliver(task)  # while it runs
    world.open_gate(gate)
    assert world.end_of(task).result == "opened"
    world.deliver(task)  # and when it has settled
    assert world.end_of(world.send("gives", 1)).result == 1
    assert len(world.executions(task.id)) == 1


def test_a_limit_holds_and_what_its_lane_has_no_room_for_is_not_lost(world: EngineWorld, tmp_path: Path) -> None:
    sent = [world.send("alone", str(tmp_path / "lock")) for _ in range(4)]
    assert [world.end_of(task, 100).result for task in sent] == [True] * 4


def test_a_latest_value_is_refreshed_by_whatever_carries_its_task(world: EngineWorld) -> None:
    newest, key = world.tasks.latest_of("newest").sync, os.urandom(4).hex()
    found = newest.get(key, wait=30)
    assert (found.value, found.last_error, found.refreshing) == (key.upper(), None, False)
    assert newest.get(key, wait=30).got_at == found.got_at
    failed = newest.get(f"{key}-fails", wait=30)
    assert (failed.value, failed.refreshing) == (None, False)
    assert "the upstream is away" in str(failed.last_error)


def test_several_tasks_may_be_one_call(world: EngineWorld) -> None:
    sent = [world.send("doubles", number) for number in range(4)]
    assert [world.end_of(task, 100).result for task in sent] == [0, 2, 4, 6]
