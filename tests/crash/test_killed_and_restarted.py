"""SIGKILL of servers that come back: what had not started is picked up, what ran runs again or settles."""

from __future__ import annotations

import time

import pytest

from tests.crash.processes import until
from tests.crash.world import HELD, NOTICED, World

WITHIN = 20.0
"""Seconds that a test waits for what is a matter of a moment."""


@pytest.mark.parametrize("name", HELD)
def test_a_server_that_comes_back_settles_what_it_ran_when_it_was_killed(world: World, name: str) -> None:
    server = world.worker()
    task = server.submit(name, world.gate())
    world.executing(task)
    server.kill()

    back = time.monotonic()
    world.worker()
    row = world.written(task, NOTICED)

    world.record(f"server killed and restarted mid-task ({name})", f"failed / {row['reason']}", time.monotonic() - back)
    assert row["reason"] == "worker_lost"


def test_a_server_that_comes_back_goes_on_with_what_has_attempts_left(world: World) -> None:
    server = world.worker()
    task = server.submit("held", world.gate(), attempts=2)
    waiting = world.submit("quick", 7)
    world.executing(task)
    server.kill()

    again = world.worker()
    assert world.executing(task, attempt=2, within=WITHIN).pid == again.pid
    world.open_gate()

    assert world.written(task, WITHIN)["status"] == "completed"
    assert world.written(waiting, WITHIN)["status"] == "completed"


def test_a_server_killed_twice_in_a_row_runs_the_third_attempt(world: World) -> None:
    first = world.worker()
    task = first.submit("held", world.gate(), attempts=3)
    world.executing(task)
    first.kill()
    second = world.worker()
    world.executing(task, attempt=2, within=WITHIN)
    second.kill()

    third = world.worker()
    world.executing(task, attempt=3, within=WITHIN)
    world.open_gate()

    assert world.written(task, WITHIN)["status"] == "completed"
    assert [execution.pid for execution in world.executions(task)] == [first.pid, second.pid, third.pid]


def test_a_server_killed_twice_in_a_row_settles_what_has_no_attempt_left(world: World) -> None:
    first = world.worker()
    task = first.submit("held", world.gate(), attempts=2)
    world.executing(task)
    first.kill()
    second = world.worker()
    world.executing(task, attempt=2, within=WITHIN)
    second.kill()

    back = time.monotonic()
    world.worker()
    row = world.written(task, NOTICED)

    world.record("server killed and restarted twice in a row", f"failed / {row['reason']}", time.monotonic() - back)
    assert row["reason"] == "worker_lost"
    assert row["attempt"] == 2


def killed_while_it_starts(world: World) -> None:
    """Kill process after process: in its imports, as it makes or opens the ledger, as it enlists."""
    for milliseconds in range(60, 360, 60):
        starting = world.worker(wait=False)
        begun = time.monotonic()
        until(lambda begun=begun, ms=milliseconds: time.monotonic() - begun > ms / 1000, 1, "it is on its way")
        starting.kill()


def test_a_server_killed_again_while_it_starts_loses_nothing(world: World) -> None:
    first = world.worker()
    task = first.submit("held", world.gate(), attempts=2)
    world.executing(task)
    first.kill()
    killed_while_it_starts(world)

    world.open_gate()
    last = world.worker()
    row = world.written(task, WITHIN)

    if row["status"] == "failed":  # the last but one had already claimed it
        assert row["reason"] == "worker_lost"
    else:
        assert world.executions(task)[-1].pid == last.pid


def test_a_process_killed_while_it_makes_the_ledger_leaves_one_that_works(world: World) -> None:
    killed_while_it_starts(world)

    task = world.worker().submit("quick", 1)

    assert world.written(task, WITHIN)["status"] == "completed"


def test_a_submit_that_returned_survives_the_kill_of_its_process(world: World) -> None:
    for number in range(5):
        task = world.submitter().submit_and_die("quick", number)
        assert world.row(task)["status"] == "pending"

    world.worker()

    for task in world.rows():
        assert world.written(task, WITHIN)["status"] == "completed"
        assert len(world.executions(task)) == 1


def test_a_task_born_running_is_not_lost_with_the_process_that_submitted_it(world: World) -> None:
    task = world.worker().submit_and_die("held", world.gate(), attempts=2)
    world.open_gate()

    world.worker()

    assert world.written(task, NOTICED)["status"] == "completed"
