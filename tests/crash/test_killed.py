"""SIGKILL of workers and servers: what they ran is seen as failed within 2 s, or runs again elsewhere."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.crash.conftest import Worlds
from tests.crash.processes import Host, until
from tests.crash.world import HELD, KILLED, NOTICED, FileWorld, gone, quickest


@pytest.mark.parametrize("name", HELD)
def test_the_task_of_a_killed_worker_fails_as_worker_lost_within_two_seconds(world: FileWorld, name: str) -> None:
    other = world.worker()

    def delay() -> float:
        worker = world.worker()
        task = worker.submit(name, world.gate())
        world.executing(task)
        killed = worker.kill()
        row = world.written(task, NOTICED)
        took = time.monotonic() - killed
        assert row["reason"] == "worker_lost"
        assert str(worker.pid) in row["error_message"]
        return took

    least = quickest(delay, KILLED)

    world.record(f"SIGKILL of the worker ({name}), another alive", "failed / worker_lost", least)
    assert least < KILLED
    assert other.alive


def test_a_process_that_only_answers_notices_a_killed_worker_too(world: FileWorld) -> None:
    worker, web = world.worker(), world.submitter()
    task = web.submit("held", world.gate())
    world.executing(task)

    killed = worker.kill()
    row = world.written(task, NOTICED)

    world.record(
        "SIGKILL of the only worker, a web process alive", f"failed / {row['reason']}", time.monotonic() - killed
    )
    assert row["reason"] == "worker_lost"


def test_a_backup_made_inside_a_worker_does_not_make_it_look_dead(world: FileWorld) -> None:
    """A POSIX lock would be dropped as soon as its process closes any other descriptor of the file."""
    worker, other = world.worker(), world.worker()
    task = worker.submit("copies_a_folder", str(world.path.parent), world.gate())
    world.executing(task)

    asked = other.submit("sleeps", 1.2)  # for two looks of every sweeper
    assert world.written(asked, 20)["status"] == "completed"
    world.open_gate()

    assert world.written(task, 20)["status"] == "completed"
    assert set(world.workers()) == {worker.worker, other.worker}


def test_a_forked_child_that_outlives_its_worker_does_not_hide_the_death(world: FileWorld) -> None:
    worker, _ = world.worker(), world.worker()
    task = worker.submit("forks", world.gate(), str(world.folder / "pids"))
    world.executing(task)
    survivor = world.stranger(int((world.folder / "pids").read_text("ascii")))

    worker.kill()

    assert world.written(task, NOTICED)["reason"] == "worker_lost"
    assert not gone(survivor)


def test_fifteen_hundred_tasks_of_a_killed_worker_fail_soon(worlds: Worlds) -> None:
    world = worlds(concurrency=2000)
    worker = world.worker()
    tasks = world.submit_many(1500, "sleeps", 60)
    until(lambda: len(world.executions()) == len(tasks), 60, "all of them run")
    world.worker()

    def all_have_failed() -> bool:
        time.sleep(0.1)  # what looks all the time keeps a busy machine from the work itself
        return world.count("failed") == len(tasks)

    killed = worker.kill()
    until(all_have_failed, NOTICED, "all of them have failed")

    world.record(
        "SIGKILL of a worker while 1,500 run, another alive", "failed / worker_lost", time.monotonic() - killed
    )
    assert {row["reason"] for row in world.rows().values()} == {"worker_lost"}


def test_attempts_that_are_left_run_in_another_process_after_a_kill(world: FileWorld) -> None:
    worker, other = world.worker(), world.worker()
    task = worker.submit("held", world.gate(), attempts=2)
    world.executing(task)

    killed = worker.kill()
    second = world.executing(task, attempt=2, within=NOTICED)
    world.record("SIGKILL of the worker, an attempt left", "running again elsewhere", time.monotonic() - killed)
    world.open_gate()

    assert second.pid == other.pid
    assert world.written(task, 20)["status"] == "completed"
    assert [execution.pid for execution in world.executions(task)] == [worker.pid, other.pid]


def test_with_every_process_dead_the_first_poll_answers_failed(world: FileWorld) -> None:
    server = world.worker()
    task = server.submit("held", world.gate())
    world.executing(task)
    killed = server.kill()

    seen = world.ledger.get(task)

    world.record("the only process killed, then a poll elsewhere", f"failed / {seen.reason}", time.monotonic() - killed)
    assert (seen.status, seen.reason) == ("failed", "worker_lost")
    assert seen.as_of < seen.settles_at


def test_a_reader_that_was_open_before_the_kill_answers_failed_too(world: FileWorld) -> None:
    server = world.worker()
    task = server.submit("held", world.gate())
    assert world.ledger.get(task).status == "running"
    world.executing(task)
    killed = server.kill()

    seen = world.polled(task, within=NOTICED)

    world.record("the only process killed under a polling page", f"failed / {seen.reason}", time.monotonic() - killed)
    assert seen.reason == "worker_lost"


def test_a_poison_task_is_executed_exactly_as_often_as_it_has_attempts(world: FileWorld) -> None:
    task = world.submit("kills_its_worker", attempts=3)
    begun = time.monotonic()
    workers: list[Host] = []

    def settled() -> bool:
        if not workers or not workers[-1].alive:
            workers.append(world.worker(wait=False))
        return world.row(task)["status"] == "failed"

    until(settled, 40, "the poison task has settled")

    row = world.row(task)
    world.record("a poison task that kills its worker 3 times", f"failed / {row['reason']}", time.monotonic() - begun)
    assert row["reason"] == "worker_lost"
    assert [execution.attempt for execution in world.executions(task)] == [1, 2, 3]


def test_a_poison_task_takes_no_other_task_with_it_that_has_attempts_left(world: FileWorld) -> None:
    world.worker()
    held = world.submit("held", world.gate(), attempts=5)
    world.executing(held)
    poison = world.submit("kills_its_worker", attempts=2)
    world.executing(poison)
    for _ in range(2):
        world.worker(wait=False)
    until(lambda: world.row(poison)["status"] == "failed", 30, "the poison task has settled")

    world.worker()
    world.open_gate()

    assert world.written(held, 20)["status"] == "completed"


def test_a_task_process_killed_from_outside_says_so_within_two_seconds(world: FileWorld) -> None:
    worker = world.worker()

    def delay() -> float:
        task = worker.submit("held_in_process", world.gate())
        child = world.executing(task).pid
        killed = time.monotonic()
        os.kill(child, signal.SIGKILL)
        row = world.written(task, NOTICED)
        took = time.monotonic() - killed
        assert row["reason"] == "worker_lost"
        assert "SIGKILL" in row["error_message"]
        return took

    least = quickest(delay, KILLED)

    world.record("SIGKILL of a task's own process from outside", "failed / worker_lost", least)
    assert least < KILLED
    assert worker.submit("quick", 1)


def test_a_killed_supervisor_leaves_no_child_or_grandchild(world: FileWorld) -> None:
    worker = world.worker()
    family = world.family(worker)
    (execution,) = world.executions()
    assert execution.pid == family[0]

    worker.kill()

    until(lambda: all(map(gone, family)), NOTICED, "child and grandchild are gone")
    assert world.ledger.get(execution.id).reason == "worker_lost"
