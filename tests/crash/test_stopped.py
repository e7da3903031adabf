"""SIGSTOP: a frozen worker is given up on after its lease, and turned away when it comes back."""

from __future__ import annotations

import time

from settled import Status
from tests.crash.conftest import Worlds
from tests.crash.processes import Host, until
from tests.crash.world import NOTICED, FileWorld, gone

LEASE = 4.0
"""Longer than a busy machine keeps a living worker silent."""
SHORT = 1.5
"""Where nobody can be lost who lives."""
WITHIN = 20.0
"""Seconds that a test waits for what comes in one or two. A lease is over at the next look, and counts anew after each
half of one in which nobody at all was heard, as on a machine that is too busy."""


def test_a_worker_frozen_longer_than_its_lease_loses_its_task_for_good(worlds: Worlds) -> None:
    world = worlds(lease=SHORT)
    frozen_one, other = world.worker(), world.worker()
    task = frozen_one.submit("holds_the_loop", world.gate())
    world.executing(task)

    stopped = world.freeze(frozen_one)
    row = world.written(task, WITHIN)
    world.record(
        f"SIGSTOP for longer than the lease of {SHORT} s", f"failed / {row['reason']}", time.monotonic() - stopped
    )
    world.open_gate()
    world.thaw(frozen_one)

    until(lambda: world.ledger.counts()["refused"] == 1, WITHIN, "the late result is refused and counted")
    assert row["reason"] == "worker_lost"
    assert world.row(task) == row
    assert other.alive


def test_what_a_frozen_worker_ran_in_a_process_has_ended_before_another_begins(worlds: Worlds) -> None:
    world = worlds(lease=LEASE)
    frozen_one, other = world.worker(), world.worker()
    task = frozen_one.submit("held_in_process", world.gate(), attempts=2)
    first = world.executing(task)
    assert not gone(first.pid)

    world.freeze(frozen_one)
    second = world.executing(task, attempt=2, within=WITHIN)
    assert gone(first.pid), "two processes worked at one task"
    world.open_gate()
    row = world.written(task, WITHIN)
    world.thaw(frozen_one)

    assert (row["status"], row["attempt"], row["worker"]) == ("completed", 2, other.worker)
    assert second.pid != first.pid


def test_a_worker_that_thaws_says_what_became_of_its_task_s_process(worlds: Worlds) -> None:
    world = worlds(lease=SHORT)
    frozen_one = world.worker()
    task = frozen_one.submit("held_in_process", world.gate())
    child = world.executing(task).pid
    world.freeze(frozen_one)
    until(lambda: gone(child), WITHIN, "its guard has ended it")
    world.thaw(frozen_one)
    row = world.written(task, WITHIN)
    assert (row["status"], row["reason"]) == ("failed", "worker_lost")
    assert "stood still" in row["error_message"]


def test_a_worker_that_thaws_enlists_anew_and_goes_on_to_work(worlds: Worlds) -> None:
    world = worlds(lease=LEASE)
    frozen_one = world.worker()
    other = world.worker(without="quick")
    task = frozen_one.submit("held", world.gate())
    world.executing(task)
    world.freeze(frozen_one)
    world.written(task, WITHIN)
    world.thaw(frozen_one)

    def enlisted_anew() -> bool:
        return any(row["pid"] == frozen_one.pid and id_ != frozen_one.worker for id_, row in world.workers().items())

    until(enlisted_anew, WITHIN, "it has enlisted anew")
    mine, anybodys = frozen_one.submit("quick", 1), world.submit("quick", 2)

    for quick in (mine, anybodys):
        assert world.written(quick, WITHIN)["status"] == "completed"
        assert world.executions(quick)[0].pid == frozen_one.pid
    assert other.alive


def lost(world: FileWorld, worker: Host) -> None:
    """Wait until a frozen worker has been declared lost."""
    until(lambda: world.workers().get(worker.worker, {"lost_at": 1})["lost_at"], WITHIN, "the frozen worker is lost")


def test_what_a_thawing_worker_picks_up_at_once_is_not_lost_with_its_old_name(worlds: Worlds) -> None:
    world = worlds(lease=LEASE)
    frozen_one = world.worker()
    third, _ = world.worker(without="held", lease=30), world.worker(without="held")
    world.freeze(frozen_one)
    lost(world, frozen_one)
    waiting = [world.submit("held", world.gate()) for _ in range(20)]

    world.thaw(frozen_one)
    for task in waiting:
        world.executing(task, within=WITHIN)
    third.kill()
    until(lambda: third.worker not in world.workers(), NOTICED, "that other one has been declared lost")
    world.open_gate()

    assert [world.written(task, WITHIN)["status"] for task in waiting] == ["completed"] * 20
    assert {world.row(task)["worker"] for task in waiting}.isdisjoint({frozen_one.worker})


def test_what_a_thawing_worker_is_given_at_once_is_not_lost_with_its_old_name(worlds: Worlds) -> None:
    world = worlds(lease=LEASE)
    frozen_one = world.worker()
    world.worker(without="held")
    world.freeze(frozen_one)
    lost(world, frozen_one)
    for _ in range(5):
        frozen_one.order(do="submit", name="held", args=[world.gate()], using={})

    world.thaw(frozen_one)
    until(lambda: len(world.executions()) == 5, WITHIN, "all of them run")
    world.open_gate()

    assert {world.written(task, WITHIN)["status"] for task in world.rows()} == {"completed"}
    assert frozen_one.worker not in {row["worker"] for row in world.rows().values()}


def test_a_worker_frozen_for_less_than_its_lease_keeps_its_task(worlds: Worlds) -> None:
    world = worlds(lease=12)
    worker = world.worker()
    world.worker()
    task = worker.submit("held", world.gate())
    world.executing(task)

    stopped = world.freeze(worker)
    until(lambda: time.monotonic() - stopped > 6.5, 8, "a good half of the lease has passed")
    world.thaw(worker)
    world.open_gate()

    assert world.written(task, WITHIN)["status"] == "completed"
    assert len(world.executions(task)) == 1


def test_when_all_were_frozen_together_nobody_is_lost(worlds: Worlds) -> None:
    world = worlds(lease=LEASE)
    workers = [world.worker() for _ in range(3)]
    tasks = [worker.submit("held", world.gate()) for worker in workers]
    for task in tasks:
        world.executing(task)

    stopped = [world.freeze(worker) for worker in workers]
    until(
        lambda: time.monotonic() - stopped[-1] > 2 * LEASE,
        3 * LEASE,
        "two leases have passed, as with a laptop that slept",
    )
    thawed = world.now()
    for worker in workers:
        world.thaw(worker)
    until(lambda: all(row["heard_at"] > thawed for row in world.workers().values()), WITHIN, "all are heard again")
    world.open_gate()

    assert {world.written(task, WITHIN)["status"] for task in tasks} == {"completed"}


def test_a_lone_frozen_worker_is_given_up_on_at_the_deadline_by_a_poll(worlds: Worlds) -> None:
    world = worlds(lease=LEASE)
    worker = world.worker()
    task = worker.submit("held", world.gate(), timeout=4)
    world.executing(task)
    deadline = world.row(task)["deadline_at"]
    world.freeze(worker)

    seen = world.polled(task, within=WITHIN)
    assert seen.finished_at is not None
    late = (seen.finished_at - deadline) / 1000
    world.record("the only worker frozen for ever, then a poll", f"failed / {seen.reason} (after its deadline)", late)
    world.thaw(worker)
    world.open_gate()

    assert seen.reason == "timeout"
    assert world.open_at < deadline <= seen.finished_at
    until(lambda: world.workers()[worker.worker]["heard_at"] > seen.finished_at, WITHIN, "it is heard again")
    assert world.ledger.get(task).status is Status.FAILED


def test_a_worker_frozen_within_a_commit_contradicts_nobody_when_it_thaws(worlds: Worlds) -> None:
    world = worlds(lease=SHORT)
    worker = world.worker()
    task = worker.submit("held", world.gate(), timeout=5, start_timeout=0.5)
    world.executing(task)
    stalled = world.script("stalls", task)
    assert world.row(task)["status"] == "running", "it has stopped before its commit"

    seen = world.polled(task)
    world.thaw(stalled)
    stalled.ended(within=WITHIN)

    assert seen.status is Status.FAILED
    assert world.written(task, WITHIN)["status"] == "failed"
