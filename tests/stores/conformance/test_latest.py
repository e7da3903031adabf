"""The latest value of a key: one refresh at a time, started by SQL, and applied in the commit that settles it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from settled.errors import LedgerUnavailable
from settled.ids import new_id
from settled.records import LatestPolicy, LatestRow, NewTask, Snapshot
from settled.states import Reason, Status
from settled.stores.base import Change, Prune, Purge, Put, Refresh, Store
from tests.stores.making import failure, new_task, success, worker_row
from tests.stores.worlds import World, write

POLICY = LatestPolicy(fresh_ms=60_000, retry_ms=1_000, retry_cap_ms=5_000)
Make = Callable[..., Snapshot]


def refresh_of(
    store: Store, key: str = "k", *, force: bool = False, new: NewTask | None = None, **policy: Any
) -> Refresh:
    return Refresh(key, new_id(store.now()), new or new_task(), POLICY._replace(**policy), force)


def start(store: Store, key: str = "k", **changes: Any) -> Snapshot | None:
    """What one look at a key that wants a refresh starts."""
    found: Snapshot | None = write(store, "refresh", [refresh_of(store, key, **changes)])[0][0]
    return found


def started(store: Store, key: str = "k", **changes: Any) -> Snapshot:
    row = start(store, key, **changes)
    assert row is not None
    return row


def held(store: Store, key: str = "k") -> LatestRow:
    return store.latest([("work", key)])[0]


def got(store: Store, value: str, key: str = "k", **changes: Any) -> None:
    """Let a refresh succeed."""
    assert write(store, "settle", success(started(store, key, force=True, **changes), value)) == [True]


def persistently(act: Callable[[], Any]) -> Any:
    """Do it again while others keep the file locked for long, as a writer does; not for ever."""
    for _ in range(40):
        with suppress(LedgerUnavailable):
            return act()
    return act()


def test_a_key_that_is_not_there_has_no_row(store: Store) -> None:
    assert store.latest([("work", "k")]) == []


def test_a_refresh_is_an_ordinary_task_that_names_its_key(store: Store) -> None:
    row = started(store)
    assert (row.status, row.latest, row.name) == (Status.PENDING, "k", "work")
    assert row.settles_at == row.created_at + 68_000
    assert store.read([row.id])[0][:-1] == row[:-1]
    assert (held(store).task, held(store).refreshing, held(store).got_at) == (row.id, True, None)


def test_a_refresh_may_be_born_claimed(store: Store) -> None:
    write(store, "enlist", worker_row("alive"))
    row = started(store, new=new_task(worker="alive"))
    assert (row.status, row.attempt, row.worker) == (Status.RUNNING, 1, "alive")


def test_a_value_with_a_nul_is_kept_as_it_is(store: Store) -> None:
    write(store, "enlist", worker_row("alive"))
    row = started(store, new=new_task(worker="alive"))
    assert write(store, "settle", success(row, r'"a\u0000b"')) == [True]
    assert held(store).value == r'"a\u0000b"'


def test_a_refresh_for_a_worker_that_was_given_up_on_is_born_pending(store: Store) -> None:
    row = started(store, new=new_task(worker="never enlisted"))
    assert (row.status, row.worker) == (Status.PENDING, None)


@pytest.mark.parametrize("force", [False, True])
def test_no_second_refresh_starts_while_one_is_open(store: Store, force: bool) -> None:
    row = started(store)
    assert start(store, force=force) is None
    assert held(store).task == row.id
    assert len(store.select(None, None, None, None, 10)) == 1


def test_of_many_that_ask_in_one_transaction_one_starts(store: Store) -> None:
    rows = [[refresh_of(store, force=number == 2)] for number in range(5)]
    assert sum(row[0] is not None for row in write(store, "refresh", *rows)) == 1
    assert len(store.select(None, None, None, None, 10)) == 1


def test_the_keys_of_one_look_start_in_one_commit(store: Store) -> None:
    started(store, "b")
    found = write(store, "refresh", [refresh_of(store, key) for key in "abc"])[0]
    assert [row is not None for row in found] == [True, False, True]
    assert {row.key: row.refreshing for row in store.latest([("work", key) for key in "abcd"])} == {
        "a": True, "b": True, "c": True,
    }  # fmt: skip


def test_a_success_is_the_new_value_in_the_same_commit(world: World, store: Store) -> None:
    row = started(store)
    world.advance(2)
    assert write(store, "settle", success(row, '{"a":1}')) == [True]
    found = held(store)
    assert (found.value, found.got_at) == ('{"a":1}', row.created_at + 2_000)
    assert (found.refreshing, found.failures, found.last_error) == (False, 0, None)


@pytest.mark.parametrize("value", ["null", "{}", "[]", '""', "0", "false"])
def test_an_empty_answer_is_a_value(store: Store, value: str) -> None:
    got(store, value)
    assert (held(store).value, held(store).got_at is None) == (value, False)


def test_a_failure_keeps_the_value_and_says_why(world: World, store: Store) -> None:
    got(store, '"good"')
    before = held(store)
    world.advance(60)
    row = started(store)
    world.advance(1)
    write(store, "settle", failure(row, Reason.TIMEOUT, "Too slow.", error_type="TimeoutError"))
    found = held(store)
    assert (found.value, found.got_at) == ('"good"', before.got_at)
    assert (found.last_error, found.last_reason, found.last_error_type) == ("Too slow.", "timeout", "TimeoutError")
    assert (found.last_error_at, found.failures, found.refreshing) == (row.created_at + 1_000, 1, False)
    assert found.retry_at == row.created_at + 2_000


def test_each_failure_in_a_row_doubles_the_pause_up_to_its_cap(world: World, store: Store) -> None:
    pauses = []
    for _ in range(5):
        write(store, "settle", failure(started(store)))
        found = held(store)
        assert found.last_error_at is not None
        pauses.append(found.retry_at - found.last_error_at)
        world.advance(pauses[-1] / 1000)
    assert (pauses, held(store).failures) == ([1_000, 2_000, 4_000, 5_000, 5_000], 5)


def test_a_hundred_failures_do_not_overflow(world: World, store: Store) -> None:
    for _ in range(100):
        write(
            store, "settle", failure(started(store, force=True, retry_ms=31_622_400_000, retry_cap_ms=31_622_400_000))
        )
    assert held(store).failures == 100
    assert held(store).retry_at == store.now() + 31_622_400_000


@pytest.mark.parametrize(("asked", "pause"), [(90_000, 90_000), (10, 1_000)])
def test_what_the_upstream_asks_for_is_waited_if_it_is_longer(store: Store, asked: int, pause: int) -> None:
    write(store, "settle", failure(started(store), retry_after_ms=asked))
    assert held(store).retry_at == store.now() + pause


def test_nothing_starts_before_its_retry_but_by_force(world: World, store: Store) -> None:
    write(store, "settle", failure(started(store)))
    world.advance(0.999)
    assert start(store) is None
    assert start(store, force=True) is not None


def test_it_starts_at_its_retry(world: World, store: Store) -> None:
    write(store, "settle", failure(started(store)))
    world.advance(1)
    assert start(store) is not None


def test_a_success_clears_the_error(world: World, store: Store) -> None:
    write(store, "settle", failure(started(store)))
    world.advance(1)
    write(store, "settle", success(started(store), "1"))
    found = held(store)
    assert (found.last_error, found.last_reason, found.last_error_type, found.last_error_at) == (None,) * 4
    assert (found.failures, found.retry_at) == (0, 0)


def test_a_refresh_under_way_leaves_the_error(world: World, store: Store) -> None:
    write(store, "settle", failure(started(store), message="Broken."))
    world.advance(1)
    started(store)
    assert (held(store).last_error, held(store).failures) == ("Broken.", 1)


def test_a_fresh_value_starts_nothing_but_by_force(world: World, store: Store) -> None:
    got(store, "1")
    world.advance(59.999)
    assert start(store) is None
    world.advance(0.001)
    assert start(store) is not None


def test_a_crash_is_an_error_of_the_key(world: World, store: Store) -> None:
    row = started(store)
    verdict = failure(row, Reason.WORKER_LOST, "It was killed.", expiry=True)
    assert write(store, "settle", verdict) == [True]
    assert (held(store).last_reason, held(store).refreshing) == ("worker_lost", False)


def test_what_is_settled_late_counts_from_its_bound(world: World, store: Store) -> None:
    row = started(store)
    world.advance(3_600)
    assert write(store, "settle", failure(row, Reason.TIMEOUT, expiry=True)) == [True]
    assert (held(store).last_error_at, held(store).retry_at) == (row.settles_at, row.settles_at + 1_000)


def test_a_refused_verdict_changes_no_key(store: Store) -> None:
    row = started(store)
    assert write(store, "settle", success(row, "1")._replace(attempt=7)) == [False]
    assert held(store).refreshing


def test_a_further_attempt_is_the_same_refresh(world: World, store: Store) -> None:
    write(store, "enlist", worker_row("alive"))
    row = started(store, new=new_task(worker="alive"))
    back = failure(row)._replace(status=Status.PENDING, reason=None, due_at=row.as_of, deadline_at=row.as_of + 9_000)
    assert write(store, "settle", back) == [True]
    assert (held(store).refreshing, held(store).task, held(store).failures) == (True, row.id, 0)
    assert start(store) is None


def test_a_refresh_that_is_not_the_newest_changes_nothing(world: World, store: Store) -> None:
    old = started(store)
    assert write(store, "put", Put("work", "k", '"by hand"', POLICY, gone=old.id)) == [True]
    assert write(store, "settle", success(old, '"late"')) == [True]
    assert (held(store).value, held(store).task) == ('"by hand"', None)


def test_a_refresh_of_a_purged_key_brings_nothing_back(store: Store) -> None:
    old = started(store)
    assert write(store, "purge", Purge("work", "k", gone=old.id)) == [True]
    assert write(store, "settle", success(old, '"late"')) == [True]
    assert store.latest([("work", "k")]) == []


def test_a_failed_task_of_the_same_name_is_no_refresh(store: Store, pending: Make) -> None:
    got(store, "1")
    write(store, "settle", failure(pending()))
    assert (held(store).failures, held(store).value) == (0, "1")


def test_a_value_by_hand_is_as_good_as_a_refreshs(world: World, store: Store) -> None:
    write(store, "settle", failure(started(store)))
    world.advance(5)
    assert write(store, "put", Put("work", "k", "[1]", POLICY)) == [True]
    found = held(store)
    assert (found.value, found.got_at, found.last_error, found.failures) == ("[1]", store.now(), None, 0)
    assert start(store) is None


@pytest.mark.parametrize("verb", ["put", "purge"])
def test_no_hand_reaches_past_an_open_refresh(store: Store, verb: str) -> None:
    row = started(store)
    hand: Put | Purge = Put("work", "k", "1", POLICY) if verb == "put" else Purge("work", "k")
    assert write(store, verb, hand) == [False]
    assert (held(store).task, held(store).refreshing) == (row.id, True)


def test_a_purged_key_is_gone_with_its_history(world: World, store: Store) -> None:
    for value in "12":
        got(store, value, history=5)
    assert write(store, "purge", Purge("work", "k")) == [True]
    assert (store.latest([("work", "k")]), store.former("work", "k", 9)) == ([], [])
    assert write(store, "purge", Purge("work", "k")) == [False]


def test_former_values_are_kept_as_many_as_asked_for(world: World, store: Store) -> None:
    instants = []
    for value in "12345":
        got(store, value, history=3)
        instants.append(store.now())
        world.advance(1)
    former = store.former("work", "k", 9)
    assert [row.text for row in former] == ["4", "3", "2"]
    assert [row.got_at for row in former] == instants[3:0:-1]
    assert [row.text for row in store.former("work", "k", 1)] == ["4"]


def test_no_history_is_kept_that_nobody_asked_for(store: Store) -> None:
    for value in "12":
        got(store, value)
    assert store.former("work", "k", 9) == []


def test_a_failure_is_no_history(world: World, store: Store) -> None:
    got(store, "1", history=3)
    write(store, "settle", failure(started(store, force=True, history=3)))
    assert store.former("work", "k", 9) == []


def test_retention_takes_the_tasks_and_leaves_the_values(world: World, store: Store) -> None:
    got(store, '"kept"')
    write(store, "settle", failure(started(store, force=True), message="Broken."))
    world.advance(1_000)
    assert write(store, "prune", Prune(1_000, 100)) == [2]
    assert (held(store).value, held(store).last_error) == ('"kept"', "Broken.")
    assert start(store) is not None


def test_keys_that_were_not_refreshed_for_long_are_forgotten(world: World, store: Store) -> None:
    got(store, "1", "old", keep_ms=10_000)
    got(store, "1", "for ever")
    world.advance(10)
    assert write(store, "forget", 100) == [0]
    got(store, "1", "young", keep_ms=10_000)
    started(store, "open", keep_ms=1)
    world.advance(0.001)
    assert write(store, "forget", 100) == [1]
    assert [row.key for row in store.list_latest(None, None, 9)] == ["for ever", "open", "young"]


def test_keys_are_listed_in_order_page_by_page(store: Store) -> None:
    for key in "cab":
        got(store, "1", key)
    write(store, "settle", failure(started(store, "b", force=True)))
    assert [row.key for row in store.list_latest("work", None, 2)] == ["a", "b"]
    assert [row.key for row in store.list_latest("work", ("work", "b"), 2)] == ["c"]
    assert [row.key for row in store.list_latest(None, None, 9, failing=True)] == ["b"]
    assert store.list_latest("other", None, 9) == []


def test_keys_are_any_text(store: Store) -> None:
    for key in ["", "Ä ö", "a'b\"c\\d{},", "%s %(x)s", "\u2028🙂", "NULL"]:
        got(store, "1", key)
        assert held(store, key).key == key


def test_the_database_refuses_to_lose_a_value(world: World, store: Store) -> None:
    got(store, "1")
    with pytest.raises(world.refusals, match="never emptied"):
        world.sql("UPDATE task_latest SET got_at = NULL, value = NULL")
    assert held(store).value == "1"


def test_a_refresh_that_a_hand_settles_by_sql_counts_too(world: World, store: Store) -> None:
    write(store, "enlist", worker_row("alive"))
    row = started(store, new=new_task(worker="alive"))
    world.sql(f"UPDATE task_results SET status = 'completed', result_data = '[2]' WHERE id = '{row.id}'")
    assert (held(store).value, held(store).refreshing) == ("[2]", False)


def test_many_stores_at_once_start_one_refresh(world: World) -> None:
    stores = [world.open() for _ in range(4)]
    write(stores[0], "enlist", worker_row("alive"))
    for number in range(20):
        key = f"key {number}"
        barrier, results = threading.Barrier(len(stores)), []

        def look(
            store: Store, key: str = key, barrier: threading.Barrier = barrier, results: list[Any] = results
        ) -> None:
            barrier.wait(10)
            results.extend([persistently(lambda: start(store, key)) for _ in range(3)])

        threads = [threading.Thread(target=look, args=(store,)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(results) == 12
        assert sum(row is not None for row in results) == 1


def test_starting_and_settling_many_keys_at_once_ends(world: World) -> None:
    """Two stores that start and settle the same keys in different orders are not in each other's way for good."""
    stores = [world.open() for _ in range(2)]
    counts = itertools.count()

    def work(store: Store, keys: list[str]) -> None:
        for _ in range(10):
            found = persistently(
                lambda: write(store, "refresh", [refresh_of(store, key, force=True) for key in keys])[0]
            )
            verdicts = [success(row, str(next(counts))) for row in found if row is not None]
            if verdicts:
                settling = Change("settle", verdicts)
                persistently(lambda settling=settling: store.write([settling]))

    keys = [str(number) for number in range(30)]
    threads = [
        threading.Thread(target=work, args=(store, order))
        for store, order in zip(stores, (keys, keys[::-1]), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not any(row.refreshing for row in stores[0].list_latest(None, None, 100))
