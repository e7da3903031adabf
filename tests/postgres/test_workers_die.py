"""Workers die, freeze, are deployed anew, or have a clock that is wrong; the database is well."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from tests.crash.processes import until
from tests.crash.test_clock import HOUR, JUMPS, JumpingClock
from tests.crash.world import HELD
from tests.postgres.conftest import Worlds
from tests.postgres.test_restarted import BACK
from tests.postgres.world import ServerWorld

CROWD = int(os.environ.get("SETTLED_TEST_CROWD", "24"))
"""Processes that die at once; a hundred take two processors for a minute just to begin: SETTLED_TEST_CROWD=100."""


@pytest.fixture
def world(worlds: Worlds) -> ServerWorld:
    return worlds(drain=1.0)


@pytest.mark.parametrize("name", HELD)
def test_a_worker_killed_on_another_machine_is_seen_at_once(world: ServerWorld, name: str) -> None:
    """Its lease is 30 s; the server drops its lock with its session."""
    victim, other = world.worker(), world.worker()
    task = victim.submit(name, world.gate())
    world.executing(task)

    killed = victim.kill()
    row = world.written(task, BACK)

    world.record(f"kill -9 of a worker, {name}", f"failed / {row['reason']}", time.monotonic() - killed)
    assert (row["status"], row["reason"]) == ("failed", "worker_lost")
    assert row["finished_at"] < row["deadline_at"]
    assert other.alive


def test_a_kill_is_seen_by_a_page_alone(world: ServerWorld) -> None:
    web = world.submitter()
    worker = world.worker()
    task = worker.submit("held", world.gate())
    world.executing(task)
    killed = worker.kill()
    until(lambda: web.look(task).get("settled"), BACK, "a page sees it settled")
    world.record("kill -9 of the only worker, seen by a page", "failed / worker_lost", time.monotonic() - killed)
    assert web.look(task)["reason"] == "worker_lost"


def test_a_frozen_worker_is_lost_by_its_lease_and_nothing_flips_when_it_thaws(worlds: Worlds) -> None:
    world = worlds(lease=4.0)
    victim, other = world.worker(), world.worker()
    task = victim.submit("held", world.gate(), attempts=2)
    world.executing(task)

    world.freeze(victim)
    second = world.executing(task, attempt=2, within=BACK)
    assert second.pid == other.pid
    world.open_gate()
    row = world.written(task, BACK)
    world.thaw(victim)

    until(lambda: victim.look(task).get("status") == "completed", BACK, "the thawed one knows it too")
    assert world.row(task) == row
    assert row["attempt"] == 2


def test_a_poison_task_ends_with_its_last_attempt(world: ServerWorld) -> None:
    web = world.submitter()
    task = web.submit("kills_its_worker", attempts=3)
    for attempt in (1, 2, 3):
        victim = world.worker()
        world.executing(task, attempt)
        victim.ended(within=20)
    row = world.written(task, BACK)
    assert (row["status"], row["reason"], row["attempt"]) == ("failed", "worker_lost", 3)
    assert len(world.executions(task)) == 3


@JUMPS
def test_a_machine_whose_clock_is_an_hour_off_decides_nothing_by_it(world: ServerWorld, hours: int) -> None:
    clock = JumpingClock(world.folder, ahead=hours * HOUR)
    worker = world.worker(environment=clock.environment)
    other = world.worker()
    assert abs(worker.ask(do="wall")["wall"] - time.time() - hours * HOUR) < 60, "the shim works"

    task = worker.submit("quick", 1)
    overdue = worker.submit("held", world.gate(), timeout=1)
    kept = other.submit("held", world.gate(), timeout=60)
    row = world.written(overdue, BACK)

    assert row["reason"] == "timeout"
    assert 0 <= row["finished_at"] - row["deadline_at"] + 250 < 60_000
    assert world.written(task, BACK)["status"] == "completed"
    world.open_gate()
    assert world.written(kept, BACK)["status"] == "completed"
    assert abs(world.row(task)["created_at"] - world.row(kept)["created_at"]) < 60_000


def test_a_deploy_that_rolls_over_all_workers_loses_nothing(worlds: Worlds) -> None:
    """SIGTERM, and SIGKILL for the one that does not heed it, while tasks run and come in."""
    world = worlds(drain=0.3)
    workers = [world.worker(), world.worker()]
    web = world.submitter()
    tasks = [web.submit("sleeps", 0.05 * (number % 20), attempts=5) for number in range(40)]
    for old in list(workers):
        old.signal(signal.SIGTERM)
        workers.append(world.worker())
        tasks += [web.submit("sleeps", 0.1, attempts=5) for _ in range(5)]
        if old is workers[0]:
            old.kill()
        old.ended(within=30)
    for task in tasks:
        row = world.written(task, 2 * BACK)
        assert row["status"] == "completed", row


def test_a_crowd_of_workers_that_dies_at_once_takes_no_task_with_it(worlds: Worlds) -> None:
    """One family of processes, each with a session's lock; a page is left to settle what they ran."""
    world = worlds(lease=20.0)
    web = world.submitter()
    tasks = [web.submit("held_in_a_crowd", world.gate()) for _ in range(CROWD)]
    crowd = world.start(
        [sys.executable, "-m", "tests.postgres.crowd", str(CROWD)], world.environment(concurrency=1), pass_fds=[]
    )
    until(lambda: len(world.executions()) == CROWD, 100, "every one of them runs a task")
    assert len({execution.pid for execution in world.executions()}) == CROWD

    killed = time.monotonic()
    os.killpg(crowd.pid, signal.SIGKILL)
    until(lambda: world.count("failed") == CROWD, BACK, "all are settled")

    world.record(f"{CROWD} workers killed at once, the last task", "failed / worker_lost", time.monotonic() - killed)
    assert {row["reason"] for row in world.rows().values()} == {"worker_lost"}
    assert all(row["id"] in tasks for row in world.rows().values())
