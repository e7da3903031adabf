"""claim: the one gate to running; due, in order, no more than asked for, and each to one worker alone."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from settled.errors import LedgerUnavailable
from settled.policy import Policy
from settled.records import Snapshot
from settled.states import Status
from settled.stores.base import EXPIRY_MARGIN_MS, Claim, Due, Loss, Store
from tests.stores.making import failure, new_task, put_back, worker_row
from tests.stores.worlds import World, write

Make = Callable[..., Snapshot]
NAMES = '["work"]'


@pytest.fixture(autouse=True)
def me(store: Store) -> None:
    """The worker that claims."""
    write(store, "enlist", worker_row("me"))


def claim(store: Store, limit: int = 100, *, names: str = NAMES, task_id: str | None = None) -> list[Snapshot]:
    ids = None if task_id is None else [task_id]
    claimed: list[Snapshot] = write(store, "claim", Claim("me", names, limit, ids))[0]
    return claimed


def test_a_claimed_task_runs_its_next_attempt(world: World, store: Store, pending: Make) -> None:
    row = pending()
    world.advance(1)
    claimed = claim(store)
    assert [task.id for task in claimed] == [row.id]
    now = store.now()
    assert (claimed[0].status, claimed[0].attempt, claimed[0].worker) == (Status.RUNNING, 1, "me")
    assert (claimed[0].started_at, claimed[0].deadline_at) == (now, now + 10_000 + EXPIRY_MARGIN_MS)
    assert claimed[0].settles_at == row.settles_at
    assert store.read([row.id]) == claimed


def test_a_task_is_claimed_once(store: Store, pending: Make) -> None:
    pending()
    assert len(claim(store)) == 1
    assert claim(store) == []


def test_the_longest_due_comes_first_and_no_more_than_asked(world: World, store: Store) -> None:
    rows = [row for row, _ in write(store, "insert", *[new_task() for _ in range(5)])]
    world.advance(1)
    rows.append(write(store, "insert", new_task())[0][0])
    first = [task.id for task in claim(store, 2)] + [task.id for task in claim(store, 2)]
    assert first == [row.id for row in rows[:4]]
    assert {task.id for task in claim(store)} == {row.id for row in rows[4:]}


def test_only_known_names_are_claimed(store: Store, pending: Make) -> None:
    pending(name="other")
    mine = pending()
    assert [task.id for task in claim(store)] == [mine.id]
    assert claim(store, names="[]") == []


def test_one_task_can_be_asked_for(store: Store, pending: Make) -> None:
    pending()
    mine = pending()
    assert claim(store, task_id="unknown") == []
    assert [task.id for task in claim(store, task_id=mine.id)] == [mine.id]
    assert claim(store, task_id=mine.id) == []


def test_what_pauses_before_its_next_attempt_is_not_due(world: World, store: Store, running: Make) -> None:
    row = running()
    write(store, "settle", put_back(row, row.as_of + 1_000, row.as_of + 9_000))
    world.advance(0.999)
    assert claim(store) == []
    world.advance(0.001)
    assert claim(store)[0].attempt == 2


def test_what_was_not_picked_up_in_time_is_not_claimed_any_more(world: World, store: Store, pending: Make) -> None:
    row = pending()
    world.advance((row.deadline_at - row.as_of - 1) / 1000)
    assert len(claim(store)) == 1
    late = pending()
    world.advance((late.deadline_at - late.as_of) / 1000)
    assert claim(store) == []


def test_an_attempt_begun_late_ends_by_the_bound(world: World, store: Store) -> None:
    row, _ = write(store, "insert", new_task(policy=Policy(timeout=1, start_timeout=5, lease=0.01)))[0]
    world.advance(4.999)
    assert claim(store)[0].deadline_at == row.settles_at


def test_a_settled_task_is_not_claimed(store: Store, pending: Make) -> None:
    write(store, "settle", failure(pending()))
    assert claim(store) == []


@pytest.mark.parametrize("how", ["lost", "dismissed"])
def test_a_worker_that_is_no_more_gets_no_work(store: Store, pending: Make, how: str) -> None:
    row = pending()
    write(store, "lose", Loss("me", gone=True)) if how == "lost" else write(store, "dismiss", "me")
    assert claim(store) == []
    assert store.read([row.id])[0].status is Status.PENDING


def test_next_due_says_when_there_is_something_to_claim(world: World, store: Store, running: Make) -> None:
    assert store.next_due(NAMES) == Due(None, False)
    row = running()
    write(store, "settle", put_back(row, row.as_of + 1_000, row.as_of + 9_000))
    assert store.next_due(NAMES) == Due(row.as_of + 1_000, False)
    assert store.next_due('["other"]') == Due(None, False)


def test_stores_that_race_for_tasks_share_them_out(world: World, store: Store) -> None:
    ids = [row.id for row, _ in write(store, "insert", *[new_task() for _ in range(200)])]
    racers = [world.open() for _ in range(4)]
    start = threading.Barrier(len(racers))
    won: list[list[str]] = [[] for _ in racers]

    def race(number: int) -> None:
        start.wait(timeout=10)
        for _ in range(1_000):
            try:
                claimed = claim(racers[number], 3)
            except LedgerUnavailable:  # the others kept it locked for long; its writer would try again too
                continue
            if not claimed:
                return
            won[number] += [task.id for task in claimed]

    threads = [threading.Thread(target=race, args=(number,)) for number in range(len(racers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(task_id for ids_won in won for task_id in ids_won) == sorted(ids)
    assert {row.attempt for row in store.read(ids)} == {1}
