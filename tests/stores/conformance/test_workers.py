"""Workers: enlist, beat, lose, dismiss; and what the ledger knows of the silence of all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from settled.records import Snapshot, WorkerRow
from settled.states import Status
from settled.stores.base import Beat, Claim, Loss, Store
from tests.stores.making import new_task, put_back, success, worker_row
from tests.stores.worlds import World, write

Make = Callable[..., Snapshot]
LEASE = 5_000


def only(store: Store) -> WorkerRow:
    (found,) = store.workers()
    return found


def test_an_enlisted_worker_has_been_heard(store: Store) -> None:
    write(store, "enlist", worker_row("w", names='["a","b"]'))
    row, now = only(store), store.now()
    assert (row.id, row.host, row.pid, row.names, row.lease_ms) == ("w", "host", 1, '["a","b"]', LEASE)
    assert (row.started_at, row.heard_at, row.lost_at, row.as_of) == (now, now, None, now)
    assert row.alive


def test_a_worker_says_what_brings_it_its_tasks(store: Store) -> None:
    write(store, "enlist", worker_row("a", engine="celery"), worker_row("b"))
    assert {(row.id, row.engine, row.called) for row in store.workers()} == {
        ("a", "celery", "1 on host (celery)"),
        ("b", None, "1 on host"),
    }


def test_a_worker_whose_enlisting_is_sent_again_is_one_worker(world: World, store: Store) -> None:
    """The answer to the commit was lost, so the writer tries again."""
    write(store, "enlist", worker_row("w"))
    before = only(store)
    write(store, "enlist", worker_row("w"))
    assert only(store)[:-1] == before[:-1]


def test_a_worker_is_believed_alive_for_its_lease(world: World, store: Store) -> None:
    write(store, "enlist", worker_row("w"))
    world.advance(5)
    assert only(store).alive
    world.advance(0.001)
    assert not only(store).alive
    assert write(store, "beat", Beat("w", LEASE)) == [True]
    assert only(store).alive


def test_a_silent_worker_can_be_declared_lost_after_its_lease(world: World, store: Store) -> None:
    write(store, "enlist", worker_row("w"))
    world.advance(5)
    assert write(store, "lose", Loss("w", gone=False)) == [False]
    assert only(store).lost_at is None
    world.advance(0.001)
    assert write(store, "lose", Loss("w", gone=False)) == [True]
    assert only(store).lost_at == store.now()


def test_a_dead_worker_is_lost_at_once(store: Store) -> None:
    write(store, "enlist", worker_row("w"))
    assert write(store, "lose", Loss("w", gone=True)) == [True]
    assert not only(store).alive


def test_a_worker_is_lost_once_and_is_not_heard_again(world: World, store: Store) -> None:
    write(store, "enlist", worker_row("w"))
    write(store, "lose", Loss("w", gone=True))
    lost = only(store)
    world.advance(1)
    assert write(store, "lose", Loss("w", gone=True)) == [False]
    assert write(store, "beat", Beat("w", LEASE)) == [False]
    assert only(store)[:-1] == lost[:-1]


@pytest.mark.parametrize("dismissed", [False, True])
def test_a_lost_worker_is_given_no_work(store: Store, pending: Make, dismissed: bool) -> None:
    waiting = pending()
    write(store, "enlist", worker_row("alive"), worker_row("frozen"))
    write(store, "lose", Loss("frozen", gone=True))
    if dismissed:
        assert write(store, "dismiss", "frozen") == [True]
    assert write(store, "claim", Claim("frozen", '["work"]', 10)) == [[]]
    (born, created), (living, _) = write(store, "insert", new_task(worker="frozen"), new_task(worker="alive"))
    assert created
    assert (born.status, born.worker, born.attempt) == (Status.PENDING, None, 0)
    assert living.status is Status.RUNNING
    assert {row.id for row in store.read([waiting.id, born.id]) if row.status is Status.PENDING} == {
        waiting.id,
        born.id,
    }


def test_an_unknown_worker_is_neither_heard_nor_lost(store: Store) -> None:
    assert write(store, "beat", Beat("nobody", LEASE)) == [False]
    assert write(store, "lose", Loss("nobody", gone=True)) == [False]
    assert write(store, "dismiss", "nobody") == [False]


def test_a_worker_goes_only_when_none_of_its_attempts_is_open(store: Store, running: Make) -> None:
    row = running()
    assert write(store, "dismiss", "alive") == [False]
    write(store, "settle", success(row))
    assert write(store, "dismiss", "alive") == [True]
    assert store.workers() == []


def test_a_worker_whose_attempt_was_put_back_can_go(store: Store, running: Make) -> None:
    row = running()
    write(store, "settle", put_back(row, row.as_of, row.as_of + 9_000))
    assert write(store, "dismiss", "alive") == [True]


def test_orphans_are_what_lost_or_vanished_workers_run(
    world: World, store: Store, running: Make, pending: Make
) -> None:
    pending()
    running()
    write(store, "enlist", worker_row("lost"), worker_row("vanished"))
    orphans = {running(worker=worker).id for worker in ("lost", "vanished")}
    assert store.orphans(10) == []
    write(store, "lose", Loss("lost", gone=True))
    world.sql("DELETE FROM task_workers WHERE id = 'vanished'")
    assert {row.id for row in store.orphans(10)} == orphans
    assert len(store.orphans(1)) == 1


def test_any_beat_is_a_pulse_of_the_whole_ledger(world: World, store: Store) -> None:
    write(store, "enlist", worker_row("w"))
    write(store, "beat", Beat("w", LEASE))
    began = store.pulse()
    assert began.pulse_at == began.steady_since == began.now
    for _ in range(4):
        world.advance(4)
        write(store, "beat", Beat("w", LEASE))
    assert store.pulse().pulse_at == store.now()
    assert store.pulse().steady_since == began.now


def test_after_a_silence_of_all_the_pulse_begins_anew(world: World, store: Store) -> None:
    write(store, "enlist", worker_row("w"))
    write(store, "beat", Beat("w", LEASE))
    world.advance(5.001)
    write(store, "beat", Beat("w", LEASE))
    assert store.pulse().steady_since == store.now()


@pytest.mark.parametrize("lives", [True, False])
def test_a_worker_of_this_very_process_is_never_gone(store: Store, lives: bool) -> None:
    store.hold("w")
    if not lives:
        store.release("w")
    assert not store.gone("w")


def test_what_was_never_held_cannot_be_told(store: Store) -> None:
    assert not store.gone("nobody")
    store.release("nobody")
