"""insert: a task is born whole, with the instant by which it is settled, and a key names it once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from settled.ids import created_ms
from settled.policy import Policy
from settled.records import Snapshot
from settled.states import Status
from settled.stores.base import EXPIRY_MARGIN_MS, Change, Loss, RowRefused, Store
from tests.stores.making import WITHIN_MS, failure, new_task, success, worker_row
from tests.stores.worlds import World, write

Pending = Callable[..., Snapshot]


@pytest.fixture(autouse=True)
def worker(store: Store) -> None:
    """The worker to which tasks are born."""
    write(store, "enlist", worker_row("w"))


def test_a_new_task_is_pending_and_carries_its_bound(store: Store) -> None:
    row, created = write(store, "insert", new_task(arguments='{"args":[1],"kwargs":{}}', owner="ann", retry_of="x"))[0]
    now = store.now()
    assert created
    assert (row.status, row.attempt, row.max_attempts) == (Status.PENDING, 0, 3)
    assert (row.created_at, row.due_at, row.settles_at) == (now, now, now + WITHIN_MS)
    assert row.deadline_at == now + 20_000
    assert (row.arguments, row.owner, row.retry_of) == ('{"args":[1],"kwargs":{}}', "ann", "x")
    assert (row.worker, row.started_at, row.finished_at, row.reason, row.result_data) == (None,) * 5


def test_what_insert_returns_is_what_any_reader_finds(world: World, store: Store) -> None:
    grouped = {"batch": "b", "lane": "l", "lane_places": 2, "lane_gap_us": 1_000_000}
    new = [new_task(), new_task(key="k"), new_task(worker="w"), new_task(**grouped), new_task(key="g", **grouped)]
    made = [row for row, _ in write(store, "insert", *new)]
    assert {(row.batch, row.lane, row.lane_places, row.lane_gap_us) for row in made[3:]} == {tuple(grouped.values())}
    assert [world.open().read([row.id])[0] for row in made] == made


def test_an_id_carries_the_instant_of_creation(store: Store, pending: Pending) -> None:
    assert created_ms(pending().id) == store.now()


def test_a_task_that_is_born_claimed_is_running_its_first_attempt(store: Store) -> None:
    row, _ = write(store, "insert", new_task(worker="w"))[0]
    now = store.now()
    assert (row.status, row.attempt, row.worker, row.started_at) == (Status.RUNNING, 1, "w", now)
    assert row.deadline_at == now + 10_000 + EXPIRY_MARGIN_MS
    assert row.settles_at == now + WITHIN_MS


def test_a_task_is_not_born_to_a_worker_that_is_lost(store: Store) -> None:
    """One that was frozen, given up on and thawed finds out at its next beat; until then it must get no work."""
    write(store, "lose", Loss("w", gone=True))
    new = [new_task(worker="w"), new_task(key="k", worker="w"), new_task(worker="nobody"), new_task()]
    rows = [row for row, _ in write(store, "insert", *new)]
    assert [(row.status, row.attempt, row.worker, row.started_at) for row in rows] == [
        (Status.PENDING, 0, None, None)
    ] * 4
    assert [store.read([row.id])[0] for row in rows] == rows


def test_a_deadline_is_never_later_than_the_bound(store: Store) -> None:
    tight = Policy(timeout=1, start_timeout=0.001, lease=0.001)
    row, _ = write(store, "insert", new_task(policy=tight, worker="w"))[0]
    assert row.deadline_at == row.settles_at == store.now() + 1_002


def test_a_batch_comes_back_in_its_order(store: Store) -> None:
    names = [f"n{number}" for number in range(1_000)]
    batch = [new_task(name, key="k" if number % 7 == 0 else None) for number, name in enumerate(names)]
    rows = [row for row, _ in write(store, "insert", *batch)]
    assert [row.name for row in rows] == names
    assert sorted(row.id for row in store.read([row.id for row in rows])) == sorted(row.id for row in rows)


def test_a_key_names_one_task_for_ever(store: Store) -> None:
    (first, created), (again, created_again) = write(store, "insert", new_task(key="k"), new_task(key="k"))
    assert (created, created_again, again.id) == (True, False, first.id)
    write(store, "settle", failure(first))
    later, created_later = write(store, "insert", new_task(key="k", worker="w"))[0]
    assert (later.id, later.status, created_later) == (first.id, Status.FAILED, False)


@pytest.mark.parametrize("other", [{"name": "other"}, {"owner": "ann"}, {"key": "K"}, {"key": None}])
def test_a_key_belongs_to_one_name_and_one_owner(store: Store, other: dict[str, str]) -> None:
    first, _ = write(store, "insert", new_task(key="k"))[0]
    second, created = write(store, "insert", new_task(**{"key": "k", **other}))[0]
    assert created
    assert second.id != first.id


def test_of_two_stores_that_use_a_key_one_creates(world: World, store: Store) -> None:
    first, created = write(store, "insert", new_task(key="k"))[0]
    second, created_again = write(world.open(), "insert", new_task(key="k"))[0]
    assert (created, created_again, first.id == second.id) == (True, False, True)


def test_a_row_that_cannot_be_stored_says_so_and_takes_its_transaction_back(store: Store) -> None:
    with pytest.raises(RowRefused):
        write(store, "insert", new_task("good"), new_task(name="\ud800"))
    assert store.counts() == {}


def test_changes_that_go_together_are_made_together_or_not_at_all(store: Store) -> None:
    write(store, "enlist", worker_row("alive"))
    changes = [Change("insert", [new_task(worker="alive")]), Change("retain", [None])]
    with pytest.raises(RowRefused):
        store.write(changes)
    assert store.counts() == {}
    now, results = store.write([Change("insert", [new_task(), new_task()]), Change("retain", [5_000])])
    assert [len(found) for found in results] == [2, 1]
    assert {row.created_at for row, _ in results[0]} == {now}
    assert (store.counts(), store.pulse().retention_ms) == ({("pending", None): 2}, 5_000)


def test_any_text_can_be_an_argument_and_comes_back_as_it_was(store: Store) -> None:
    text = '{"args":["\\ud800 \\u0000 ' + "\N{SNOWMAN}\N{PILE OF POO}' \" \\\\ %s ? :x" + '"],"kwargs":{}}'
    row, _ = write(store, "insert", new_task(arguments=text))[0]
    assert store.read([row.id])[0].arguments == text


def test_a_completed_task_can_be_read_by_its_key_holder(store: Store) -> None:
    row, _ = write(store, "insert", new_task(key="k", worker="w"))[0]
    write(store, "settle", success(row))
    again, created = write(store, "insert", new_task(key="k"))[0]
    assert (created, again.result) == (False, "done")


def test_an_id_of_its_own_is_kept_and_inserted_once(world: World, store: Store) -> None:
    new = new_task(id="order 17", key="celery:order 17")
    (first, created), (again, created_again) = write(store, "insert", new, new_task("other", id="order 17", key="k"))
    assert (first.id, created, again.id, again.name, created_again) == ("order 17", True, "order 17", "work", False)
    world.advance(0.001)
    later, created = write(world.open(), "insert", new)[0]
    assert (later[:-1], created) == (first[:-1], False)
