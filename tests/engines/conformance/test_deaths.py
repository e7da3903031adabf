"""Whatever dies, freezes or is shut down in the engine's workers, the task settles, and what runs is bounded."""

from __future__ import annotations

import signal

import pytest

from settled import Reason, Status
from tests.crash.processes import until
from tests.crash.world import gone
from tests.engines.conftest import over
from tests.engines.worlds import EngineWorld

CHILDREN = (
    "celery-redis-prefork", "celery-rabbitmq-prefork", "celery-rabbitmq-prefork-on-postgres", "process-pool", "dask",
)  # fmt: skip
"""Those that run each task in a process which may die alone, and is replaced."""


@over(*CHILDREN)
def test_a_killed_child_is_seen_at_once(world: EngineWorld) -> None:
    task = world.send("held_in_thread", world.gate("never"))
    world.kill(world.executing(task.id, within=40).pid)
    row = world.end_of(task)
    assert row.reason is Reason.WORKER_LOST
    assert row.finished_at is not None
    assert (row.finished_at - world.killed_at) / 1000 < 15  # half of the lease


@over(*CHILDREN)
def test_the_next_attempt_of_a_killed_child_runs_in_another(world: EngineWorld) -> None:
    task = world.send("dies_at_first", attempts=2)
    row = world.end_of(task, within=40)
    assert (row.result, row.error_message) == (2, None)
    assert len({execution.pid for execution in world.executions(task.id)}) == 2


@over("celery-redis-prefork", "process-pool", "dask")
def test_a_task_that_kills_whatever_runs_it_is_tried_as_often_as_it_may(world: EngineWorld) -> None:
    task = world.send("kills_its_worker", attempts=3)
    row = world.end_of(task, within=80)
    assert (row.reason, row.attempt) == (Reason.WORKER_LOST, 3)
    assert len(world.executions(task.id)) == 3
    assert world.end_of(world.send("gives", "well"), within=40).result == "well"


@over("celery-redis-prefork", "celery-rabbitmq-prefork")
def test_a_call_that_never_lets_go_of_the_interpreter_is_settled_and_its_process_killed(world: EngineWorld) -> None:
    task = world.send("keeps_the_interpreter_lock", 300, timeout=1.0)
    held = world.executing(task.id).pid
    assert world.end_of(task).reason is Reason.TIMEOUT
    until(lambda: gone(held), 20, "Celery's hard limit has killed it")


@over(
    "celery-redis-prefork", "celery-redis-threads", "celery-rabbitmq-threads", "procrastinate",
    "procrastinate-on-postgres",
)  # fmt: skip
def test_a_whole_worker_is_killed_and_another_goes_on(world: EngineWorld) -> None:
    lost = world.send("held_in_thread", world.gate("never"))
    again = world.send("fails_at_first", attempts=3)  # one, or two, are over when it is killed
    world.executing(lost.id)
    world.executing(again.id)
    world.down()
    assert world.end_of(lost, within=15).reason is Reason.WORKER_LOST
    world.up()
    assert world.end_of(again, within=40).result in (2, 3)


@over("celery-redis-prefork", "celery-rabbitmq-threads", "procrastinate")
def test_a_worker_that_is_shut_down_lets_what_runs_finish(world: EngineWorld) -> None:
    task = world.send("waits", 1.5)
    world.executing(task.id)
    process = world.process
    assert process is not None
    process.signal(signal.SIGTERM)
    assert world.end_of(task).result == "waited"
    process.ended(within=30)
    until(lambda: not world.workers_alive(), 10, "its workers have given their rows back")


@over("celery-redis-prefork", "celery-rabbitmq-threads", "procrastinate")
def test_a_worker_that_was_frozen_past_a_deadline_changes_nothing_when_it_thaws(world: EngineWorld) -> None:
    gate = world.new_gate()
    task = world.send("held_in_thread", world.gate(gate), timeout=2.0)
    world.executing(task.id)
    process = world.process
    assert process is not None
    world.freeze(process, group=True)
    row = world.end_of(task)
    assert row.reason is Reason.TIMEOUT
    world.open_gate(gate)
    world.thaw(process, group=True)
    assert world.end_of(world.send("gives", "well"), within=40).result == "well"
    assert world.tasks.get(task.id)[:-1] == row[:-1]  # all but as_of


@pytest.mark.parametrize("lost", [1, 2])
@over("celery-redis-prefork")
def test_attempts_that_are_shut_down_with_their_worker_are_not_lost(world: EngineWorld, lost: int) -> None:
    """Deploys that do not wait: TERM to every process, then KILL."""
    task = world.send("held", world.gate(gate := world.new_gate()), attempts=lost + 1)
    for attempt in range(1, lost + 1):
        world.executing(task.id, attempt, within=40)
        assert world.process is not None
        world.process.signal(signal.SIGTERM)
        world.down()
        world.up()
    world.executing(task.id, lost + 1, within=40)
    world.open_gate(gate)
    row = world.end_of(task)
    assert (row.status, row.attempt) == (Status.COMPLETED, lost + 1)
