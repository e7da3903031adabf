"""insert_batch and what can be asked of batches: whole or not at all, in the order submitted, counted as they stand."""

from __future__ import annotations

import pytest

from settled.records import NewTask, Snapshot
from settled.states import Reason
from settled.stores.base import Change, Claim, RowRefused, Store
from tests.stores.making import failure, new_task, put_back, success, worker_row
from tests.stores.worlds import World, write


@pytest.fixture(autouse=True)
def worker(store: Store) -> None:
    write(store, "enlist", worker_row("w"))


def some(batch: str, number: int, **changes: object) -> list[NewTask]:
    return [
        new_task(batch=batch, arguments=f'{{"args":[{n}],"kwargs":{{}}}}', **(changes if n == 0 else {}))
        for n in range(number)
    ]


def insert(store: Store, news: list[NewTask]) -> list[Snapshot]:
    return [row for row, _ in write(store, "insert_batch", news)[0]]


def tally(store: Store, batch: str) -> dict[str, int]:
    return {state.status: state.number for state in store.batches.states(batch)}


def claim_all(store: Store, number: int) -> list[Snapshot]:
    claimed: list[Snapshot] = write(store, "claim", Claim("w", '["work"]', number))[0]
    return claimed


@pytest.mark.parametrize("number", [1, 2, 3_000])
def test_a_batch_is_found_page_by_page_in_the_order_submitted(world: World, store: Store, number: int) -> None:
    made = insert(store, some("b", number))
    insert(store, some("other", 3))
    other = world.open()
    found: list[Snapshot] = []
    while page := other.batches.page("b", found[-1].id if found else None, 700):
        found += page
    assert found == made
    assert [row.arguments for row in found] == [f'{{"args":[{n}],"kwargs":{{}}}}' for n in range(number)]
    assert tally(other, "b") == {"pending": number}


def test_two_batches_of_one_transaction_are_each_whole(store: Store) -> None:
    first, second = store.write([Change("insert_batch", [some("b", 3), some("c", 2)])]).results[0]
    assert [row.batch for row, _ in first] == ["b"] * 3
    assert [row.id for row in store.batches.page("c", None, 9)] == [row.id for row, _ in second]


def test_a_batch_with_a_row_that_cannot_be_stored_is_not_there_at_all(store: Store) -> None:
    news = some("b", 3)
    with pytest.raises(RowRefused):
        write(store, "insert_batch", [*news[:2], news[2]._replace(max_attempts=0)])
    assert store.batches.states("b") == []


def test_the_key_of_the_first_task_names_the_whole_batch(store: Store) -> None:
    made = insert(store, some("b", 3, key="k"))
    again, created = write(store, "insert_batch", some("c", 3, key="k"))[0][0]
    assert (again, created) == (made[0], False)
    assert store.batches.states("c") == []
    assert tally(store, "b") == {"pending": 3}


def test_its_tasks_are_counted_by_status_and_its_end_is_the_last_ones(world: World, store: Store) -> None:
    insert(store, some("b", 4, owner="ann"))
    first, second, third = claim_all(store, 3)
    world.advance(1)
    write(store, "settle", success(first))
    world.advance(1)
    write(store, "settle", failure(second))
    states = {state.status: state for state in store.batches.states("b")}
    assert {status: state.number for status, state in states.items()} == {
        "pending": 1, "running": 1, "completed": 1, "failed": 1
    }  # fmt: skip
    assert states["failed"].finished_at == first.created_at + 2_000
    assert {(s.name, s.owner, s.created_at, s.settles_at) for s in states.values()} == {
        ("work", "ann", first.created_at, first.settles_at)
    }
    assert store.batches.workers("b") == ["w"]
    assert {row.id for row in store.batches.open("b", 9)} == {third.id, store.batches.page("b", None, 9)[3].id}


def test_what_has_settled_since_an_instant_comes_in_that_order_and_in_parts(world: World, store: Store) -> None:
    insert(store, some("b", 6))
    rows = claim_all(store, 6)
    for together in ([4], [1, 3, 5]):
        world.advance(1)
        write(store, "settle", *(success(rows[n]) for n in together))
    ended: list[str] = []
    since, after = 0, ""
    while page := store.batches.ended("b", since, after, 2):
        ended += [row.id for row in page]
        since, after = page[-1].finished_at or 0, page[-1].id
    assert ended == [rows[n].id for n in (4, 1, 3, 5)]
    assert [row.id for row in store.batches.ended("b", since, "", 9)] == ended[1:]
    assert store.batches.ended("b", since + 1, "", 9) == []
    assert {row.id for row in store.batches.begun("b", 9)} == {rows[0].id, rows[2].id}


def test_one_that_waits_for_another_attempt_has_begun(store: Store) -> None:
    insert(store, some("b", 2))
    row = claim_all(store, 1)[0]
    write(store, "settle", put_back(row, row.as_of + 1_000, row.as_of + 9_000))
    assert [row.id for row in store.batches.begun("b", 9)] == [row.id]


def test_failures_are_grouped_by_reason_and_message(store: Store) -> None:
    insert(store, some("b", 5))
    rows = claim_all(store, 5)
    write(store, "settle", *(failure(row) for row in rows[:2]), failure(rows[2], Reason.TIMEOUT, "Too slow."))
    write(store, "settle", failure(rows[3], message="Other.", error_type="OSError"))
    assert store.batches.failures("b", 9) == [
        ("exception", "It broke.", None, 2), ("exception", "Other.", "OSError", 1), ("timeout", "Too slow.", None, 1)
    ]  # fmt: skip
    assert len(store.batches.failures("b", 2)) == 2
    assert [row.id for row in store.batches.failed("b", rows[0].id, 2)] == [rows[1].id, rows[2].id]


def test_overdue_are_only_those_of_the_batch_that_are_past_their_deadline(world: World, store: Store) -> None:
    mine = insert(store, some("b", 2))
    insert(store, some("other", 2))
    assert store.batches.overdue("b", 9) == []
    world.advance(20)
    assert {row.id for row in store.batches.overdue("b", 9)} == {row.id for row in mine}


def test_a_mark_changes_with_the_counts(store: Store) -> None:
    insert(store, some("b", 2))
    before = store.batches.marks(["b", "unknown"])
    claim_all(store, 1)
    assert list(before) == ["b"]
    assert store.batches.marks(["b"]) != before
