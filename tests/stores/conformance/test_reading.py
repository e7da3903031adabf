"""The verbs that read: what a sweep, a list, a waiter and an engine look at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from settled.errors import LedgerUnavailable
from settled.records import Snapshot
from settled.states import Reason, Status
from settled.stores.base import Backlog, Progress, Store
from settled.stores.urls import store_of
from tests.stores.making import failure, new_task, put_back, success
from tests.stores.worlds import World, write

Make = Callable[..., Snapshot]


def test_those_that_exist_are_read(store: Store, pending: Make) -> None:
    rows = [pending() for _ in range(3)]
    assert sorted(store.read([rows[0].id, "unknown", rows[2].id])) == sorted([rows[0], rows[2]])
    assert store.read(["unknown"]) == store.read([]) == []


def test_a_row_says_as_of_when_it_was_read(world: World, store: Store, pending: Make) -> None:
    row = pending()
    world.advance(2)
    assert store.read([row.id]) == [row._replace(as_of=row.as_of + 2_000)]


def test_overdue_is_what_is_open_past_its_deadline_soonest_first(
    world: World, store: Store, running: Make, pending: Make
) -> None:
    late, later = running(), pending()
    write(store, "settle", success(running()))
    assert store.overdue(10) == []
    assert store.next_deadline() == late.deadline_at
    world.advance((late.deadline_at - late.as_of - 1) / 1000)
    assert store.overdue(10) == []
    world.advance(0.001)
    assert [row.id for row in store.overdue(10)] == [late.id]
    world.advance(10)
    assert [row.id for row in store.overdue(10)] == [late.id, later.id]
    assert [row.id for row in store.overdue(1)] == [late.id]
    assert store.past_bound() == []


def test_past_bound_is_what_is_open_when_it_must_not_be(world: World, store: Store, pending: Make) -> None:
    row = pending()
    world.advance((row.settles_at - row.as_of) / 1000)
    assert [found.id for found in store.past_bound()] == [row.id]


def test_nothing_open_has_no_deadline(store: Store, running: Make) -> None:
    write(store, "settle", success(running()))
    assert store.next_deadline() is None


def test_not_running_names_the_attempts_that_ended_or_are_others(store: Store, running: Make, pending: Make) -> None:
    runs, ended, back, waits = running(), running(), running(), pending()
    write(store, "settle", success(ended), put_back(back, 0, back.as_of))
    asked = [(runs.id, 1), (runs.id, 2), (ended.id, 1), (back.id, 1), (waits.id, 0), ("unknown", 1)]
    assert store.not_running(asked) == set(asked[1:])
    assert store.not_running([]) == set()


def test_what_a_worker_holds_is_what_it_runs(store: Store, running: Make, pending: Make) -> None:
    held, over = running(), running()
    pending()
    write(store, "settle", success(over))
    assert [row.id for row in store.held_by("alive")] == [held.id]
    assert store.held_by("another") == []


def test_a_mark_differs_when_a_waiter_could_notice_it(store: Store, running: Make) -> None:
    row = running()
    seen = [store.marks([row.id, "unknown"])]
    assert set(seen[0]) == {row.id}
    assert store.marks([row.id, "unknown"]) == seen[0]
    write(store, "progress", Progress(row.id, 1, 0.5, ""))
    seen.append(store.marks([row.id]))
    write(store, "progress", Progress(row.id, 1, 0.5, "half"))
    seen.append(store.marks([row.id]))
    write(store, "settle", put_back(row, 0, row.as_of))
    seen.append(store.marks([row.id]))
    write(store, "settle", failure(row._replace(status=Status.PENDING)))
    seen.append(store.marks([row.id]))
    assert all(one != other for number, one in enumerate(seen) for other in seen[:number])


def test_a_list_can_be_narrowed(store: Store, running: Make, pending: Make) -> None:
    waits, other, done, broken = pending(), pending(name="other"), running(), running()
    write(store, "settle", success(done), failure(broken, Reason.TIMEOUT))

    def ids(**narrowed: str) -> set[str]:
        wanted = dict.fromkeys(("status", "name", "reason", "before"), None) | narrowed
        return {row.id for row in store.select(**wanted, limit=10)}

    assert ids() == {waits.id, other.id, done.id, broken.id}
    assert ids(status="pending") == {waits.id, other.id}
    assert ids(name="other") == {other.id}
    assert ids(reason="timeout") == {broken.id}
    assert ids(status="pending", name="work") == {waits.id}
    assert ids(status="completed", reason="timeout") == set()


def test_the_pages_of_a_list_are_newest_first_and_miss_none(world: World, store: Store) -> None:
    made = []
    for _ in range(4):  # many are born in one instant, as in one commit
        made += [row.id for row, _ in write(store, "insert", *[new_task() for _ in range(25)])]
        world.advance(0.001)
    pages: list[Snapshot] = []
    while page := store.select(None, None, None, pages[-1].id if pages else None, 7):
        pages += page
    assert sorted(row.id for row in pages) == sorted(made)
    assert [row.created_at for row in pages] == sorted((row.created_at for row in pages), reverse=True)


def test_counts_are_by_status_and_reason(store: Store, running: Make, pending: Make) -> None:
    pending()
    running()
    write(
        store, "settle", success(running()), failure(running()), failure(running(), Reason.TIMEOUT), failure(running())
    )
    assert store.counts() == {
        ("pending", None): 1,
        ("running", None): 1,
        ("completed", None): 1,
        ("failed", "exception"): 2,
        ("failed", "timeout"): 1,
    }


def test_the_backlog_is_what_is_due_by_name(world: World, store: Store, running: Make, pending: Make) -> None:
    first = pending()
    world.advance(1)
    pending()
    pending(name="other")
    back = running()
    write(store, "settle", put_back(back, store.now() + 1, back.deadline_at))
    assert sorted(store.backlog()) == [Backlog("other", 1, store.now()), Backlog("work", 2, first.due_at)]


def test_the_version_changes_when_another_has_written(world: World, store: Store) -> None:
    other = world.open()
    before = store.version()
    write(other, "insert", new_task())
    assert store.version() != before


def test_what_one_wrote_the_other_reads_at_once(world: World, store: Store, pending: Make) -> None:
    other = world.open()
    assert other.read([pending().id])[0].status is Status.PENDING


def test_a_closed_store_says_so_and_can_be_opened_again(store: Store, pending: Make) -> None:
    row = pending()
    store.close()
    store.close()
    with pytest.raises(LedgerUnavailable, match="closed"):
        store.read([row.id])
    with pytest.raises(LedgerUnavailable, match="closed"):
        write(store, "insert", new_task())
    store.open()
    assert store.read([row.id]) == [row]


def test_a_store_knows_whether_there_is_a_ledger_and_makes_none(world: World) -> None:
    looking = store_of(world.nowhere)
    assert not looking.exists()
    assert not looking.exists()
    looking.open()
    looking.close()
    assert looking.exists()
