"""The database file is locked by another program: clear errors at submit, nothing lost at the end, nobody blamed."""

from __future__ import annotations

import time

import pytest

from settled.ledger import SUBMIT_PATIENCE
from tests.crash.conftest import Worlds
from tests.crash.processes import Host, until
from tests.crash.world import LATE, FileWorld, quickest

PATIENT = SUBMIT_PATIENCE + 4
"""The patience, and one last try at the lock on a machine that stands still now and then."""
UNLOCKED = 5.0
"""Seconds from the end of the lock until a write that waited for it is there, likewise."""
WITHIN = 20.0
"""Seconds that a test waits for what nothing hinders any more."""


def passed(seconds: float, since: float) -> None:
    until(lambda: time.monotonic() - since >= seconds, seconds + 1, "time passes")


@pytest.mark.parametrize("embedded", [True, False])
def test_a_submit_says_within_its_patience_that_the_file_is_locked_and_leaves_nothing(
    worlds: Worlds, embedded: bool
) -> None:
    world = worlds(concurrency=1)
    process = world.worker(embedded=embedded)
    lock = world.script("locks")

    answer = process.try_submit("quick", 1)
    world.record("file locked at submit", "ledger-unavailable (to the caller)", answer["took"])

    assert answer["error"] == "ledger-unavailable"
    assert "another program holds its lock" in answer["message"]
    assert SUBMIT_PATIENCE * 0.8 < answer["took"] < PATIENT
    released = lock.let_go()
    lock.ended(within=WITHIN)
    after = process.submit("quick", 2)  # its only place is free again
    if embedded:
        assert world.written(after, WITHIN)["status"] == "completed"
    passed(1.5, released)
    assert list(world.rows()) == [after]


def test_a_submit_waits_for_a_short_lock(world: FileWorld) -> None:
    worker = world.worker()
    lock = world.script("locks")
    locked = time.monotonic()
    worker.order(do="submit", name="quick", args=[1], using={})
    passed(1.2, locked)  # longer than one try, and so much less than its patience that the machine may stand still
    lock.let_go()

    until(lambda: len(world.rows()) == 1, UNLOCKED, "it is submitted")
    assert world.written(next(iter(world.rows())), WITHIN)["status"] == "completed"


def test_a_task_that_ends_while_the_file_is_locked_is_written_when_the_lock_goes(world: FileWorld) -> None:
    worker = world.worker()
    tasks = [worker.submit(name, world.gate()) for name in ("held", "held_in_thread", "held_in_process")]
    for task in tasks:
        world.executing(task)
    lock = world.script("locks")
    ended = world.open_gate()
    passed(4, ended)

    released = lock.let_go()
    rows = [world.written(task, UNLOCKED) for task in tasks]

    world.record("file locked for 4 s as a task ends", "completed (after the lock)", time.monotonic() - released)
    assert [row["status"] for row in rows] == ["completed"] * 3


def test_a_poll_past_the_bound_answers_failed_while_the_file_is_locked_and_is_never_contradicted(
    worlds: Worlds,
) -> None:
    world = worlds(lease=0.5)
    worker = world.worker()
    task = worker.submit("held", world.gate(), timeout=4, start_timeout=0.5)
    world.executing(task)
    assert not world.ledger.get(task).settled
    lock = world.script("locks")
    world.open_gate()

    seen = world.polled(task)
    late = (world.now() - seen.settles_at) / 1000
    world.record("file locked past settles_at, a poll", f"failed / {seen.reason} (after settles_at)", late)
    lock.let_go()

    assert (seen.status, seen.reason) == ("failed", "timeout")
    assert late < SUBMIT_PATIENCE, "it waited as a submit does"
    row = world.written(task, UNLOCKED)
    assert (row["status"], row["reason"]) == ("failed", "timeout")


def test_a_hundred_pages_are_answered_at_the_bound_while_the_file_is_locked(worlds: Worlds) -> None:
    world = worlds(lease=0.5)
    web = world.submitter()
    task = web.submit("quick", 1, timeout=0.5, start_timeout=0.5)
    world.script("locks")
    until(lambda: world.now() > world.row(task)["settles_at"], 5, "the bound has passed")

    answer = web.ask(do="crowd", task_id=task, size=100)

    world.record("file locked past settles_at, the last of 100 pages", "failed / never_started", answer["took"])
    assert answer["settled"] == 100
    assert answer["took"] < 10, "one after the other waited for the lock"


def test_a_poll_is_answered_while_the_file_is_locked(world: FileWorld) -> None:
    worker = world.worker()
    running = worker.submit("held", world.gate())
    done = worker.submit("quick", 1)
    world.written(done, WITHIN)
    world.script("locks")

    def two_looks() -> float:
        begun = time.monotonic()
        assert worker.look(running)["status"] == "running"
        assert worker.look(done)["status"] == "completed"
        return time.monotonic() - begun

    assert quickest(two_looks) < LATE


def test_nobody_is_lost_for_a_lock_that_kept_all_heartbeats_out(worlds: Worlds) -> None:
    """The worst moment: the lock lasts until the first worker's lease is over, and the second's is not yet."""
    world = worlds(lease=10)
    first = world.worker()
    task = first.submit("held", world.gate())
    second = world.worker()

    def heard(worker: Host) -> int:
        return int(world.workers()[worker.worker]["heard_at"])

    before = heard(first)
    until(lambda: heard(first) != before, WITHIN, "the first has just beaten, and is not inside a transaction")
    world.freeze(first)  # for far less than the lease
    until(lambda: heard(second) > heard(first) + 1600, WITHIN, "the second has beaten well after the first")
    lock = world.script("locks")
    world.thaw(first)
    until(lambda: world.now() > heard(second) + 9750, WITHIN, "the first is silent for longer than its lease")
    assert world.now() > heard(first) + 11_250
    released = lock.let_go()
    passed(1.5, released)
    world.open_gate()

    assert world.written(task, WITHIN)["status"] == "completed"
    assert set(world.workers()) == {first.worker, second.worker}


def test_nobody_is_lost_for_a_lock_that_lasts_longer_than_a_lease(worlds: Worlds) -> None:
    world = worlds(lease=4)
    workers = [world.worker() for _ in range(2)]
    tasks = [worker.submit("held", world.gate()) for worker in workers]
    lock = world.script("locks")
    locked = time.monotonic()
    passed(9, locked)
    released = lock.let_go()
    passed(1, released)
    world.open_gate()

    assert {world.written(task, WITHIN)["status"] for task in tasks} == {"completed"}
    assert set(world.workers()) == {worker.worker for worker in workers}


def test_a_server_that_starts_while_the_file_is_locked_comes_up(world: FileWorld) -> None:
    task = world.submit("quick", 1)
    lock = world.script("locks")
    locked = time.monotonic()
    server = world.worker(wait=False)
    passed(2, locked)
    lock.let_go()

    server.ready()
    assert world.written(task, WITHIN)["status"] == "completed"


def test_a_reader_opens_while_the_file_is_locked(world: FileWorld) -> None:
    worker = world.worker()
    task = worker.submit("quick", 1)
    world.written(task, WITHIN)
    lock = world.script("locks")

    assert world.submitter().look(task)["status"] == "completed"
    assert lock.alive  # still held: the reader did not wait for it


def test_submits_and_polls_keep_their_patience_behind_thousands_of_unwritten_verdicts(worlds: Worlds) -> None:
    world = worlds(concurrency=4000, lease=1)
    worker = world.worker()
    tasks = world.submit_many(2200, "held_in_a_crowd", world.gate())
    until(lambda: len(world.executions()) == len(tasks), 60, "all of them run")
    short = worker.submit("sleeps", 30, timeout=4, start_timeout=0.5)
    world.executing(short)
    lock = world.script("locks")
    ended = world.open_gate()
    until(lambda: world.now() > world.row(short)["settles_at"], WITHIN, "a bound has passed")
    passed(3, ended)

    def look() -> float:
        passed(1.5, time.monotonic())  # for a second after a look that met the lock, others do not try it
        begun = time.monotonic()
        assert worker.look(short)["reason"] == "timeout"
        return time.monotonic() - begun

    assert quickest(look, 3) < 3
    answer = worker.try_submit("quick", 1)

    assert answer["error"] == "ledger-unavailable"
    assert answer["took"] < PATIENT
    lock.let_go()
    until(lambda: all(row["status"] != "running" for row in world.rows().values()), 30, "all are written")
    assert {row["status"] for row in world.rows().values() if row["id"] != short} == {"completed"}
