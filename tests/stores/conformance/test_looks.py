"""Looks: searches in stretches, tallies, and deleting what has settled; what a person on call asks of each store."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from settled.records import Snapshot
from settled.states import Reason, Status
from settled.stores.base import Store
from settled.stores.looks import Wanted
from tests.stores.making import failure, new_task, success
from tests.stores.worlds import World, write

Make = Callable[..., Snapshot]


def ids(store: Store, wanted: Wanted, rows: int = 100, limit: int = 100) -> list[str]:
    return [brief.id for brief in store.looks.scan(wanted, None, rows, limit).found]


def test_a_search_looks_at_one_stretch_after_the_other_newest_first(world: World, store: Store, pending: Make) -> None:
    made = []
    for number in range(7):
        made.append(pending(name="odd" if number % 2 else "even").id)
        world.advance(1)
    found, place, stretches = [], None, 0
    while True:
        part = store.looks.scan(Wanted(name="odd"), place, 3, 50)
        found += [brief.id for brief in part.found]
        place, stretches = part.place, stretches + 1
        if part.done:
            break
    assert found == made[5::-2]
    assert stretches == 3


def test_a_full_page_goes_on_behind_its_last_row(world: World, store: Store, pending: Make) -> None:
    made = []
    for _ in range(5):
        made.append(pending().id)
        world.advance(1)
    first = store.looks.scan(Wanted(), None, 100, 2)
    rest = store.looks.scan(Wanted(), first.place, 100, 10)
    assert [brief.id for brief in (*first.found, *rest.found)] == made[::-1]
    assert (first.done, rest.done) == (False, True)


def test_a_place_is_good_also_when_its_row_has_been_deleted(world: World, store: Store, running: Make) -> None:
    rows = []
    for _ in range(3):
        rows.append(running())
        world.advance(1)
    write(store, "settle", *map(success, rows))
    first = store.looks.scan(Wanted(), None, 100, 1)
    write(store, "delete", first.found[0].id)
    assert [brief.id for brief in store.looks.scan(Wanted(), first.place, 100, 9).found] == [rows[1].id, rows[0].id]


@pytest.mark.parametrize("text", ["SCRAPE", "inv-7", "no such%host", "https://example.org/a_b", "Größe", "half \\ way"])
def test_a_text_is_found_wherever_it_is_shown(store: Store, running: Make, text: str) -> None:
    running(name="other", arguments='{"args":["https://example.org/aXb"],"kwargs":{}}')
    one = running(
        name="scrape",
        key="inv-7",
        arguments='{"args":["https://example.org/a_b"],"kwargs":{"size":"Gr\\u00f6\\u00dfe","path":"half \\\\ way"}}',
    )
    write(store, "settle", failure(one, message="no such%host"))
    assert ids(store, Wanted(text=text)) == [one.id]


def test_what_is_open_and_what_has_failed_is_found_however_much_lies_above(
    world: World, store: Store, running: Make, pending: Make
) -> None:
    failed, waits = running(), pending(name="waits")
    world.advance(1)
    rows = [running() for _ in range(8)]
    write(store, "settle", failure(failed), *map(success, rows))
    assert ids(store, Wanted((Status.PENDING,)), rows=2) == [waits.id]
    assert ids(store, Wanted((Status.FAILED,)), rows=2) == [failed.id]
    assert ids(store, Wanted(reason="exception"), rows=2) == [failed.id]
    assert ids(store, Wanted((Status.FAILED,), reason="timeout"), rows=2) == []
    assert store.looks.count(Wanted((Status.FAILED,)), None, 2).total == 1
    assert store.looks.count(Wanted((Status.PENDING, Status.RUNNING)), None, 2).total == 1
    assert store.looks.count(Wanted(), None, 100)[0] == 10


def test_a_task_is_found_by_its_worker_and_by_when_it_was_made(world: World, store: Store, running: Make) -> None:
    early = running()
    world.advance(60)
    late = running()
    assert ids(store, Wanted(worker="alive")) == [late.id, early.id]
    assert ids(store, Wanted(worker="another")) == []
    assert ids(store, Wanted(since=late.created_at)) == [late.id]
    assert ids(store, Wanted(until=late.created_at)) == [early.id]


def test_tallies_count_what_there_is(store: Store, running: Make, pending: Make) -> None:
    first, second, _ = running(), running(), running()
    pending()
    write(store, "settle", failure(first), success(second))
    assert store.looks.tallies() == (1, 1, 1, 4, None)
    assert store.looks.running() == {"alive": 1}


def test_what_waits_is_counted_by_name(world: World, store: Store) -> None:
    write(store, "insert", new_task("rare"))
    world.advance(1)
    write(store, "insert", new_task("often"), new_task("often"))
    world.advance(1)
    found = store.looks.waiting()
    assert [(one.name, one.tasks) for one in found] == [("rare", 1), ("often", 2)]
    assert found[1].due_at - found[0].due_at == pytest.approx(1_000, abs=50)


def test_the_newest_say_how_long_they_took(world: World, store: Store, running: Make) -> None:
    row = running()
    world.advance(2)
    write(store, "settle", failure(row, Reason.TIMEOUT))
    (ended,) = store.looks.newest(10)
    assert (ended.status, ended.reason, ended.timeout_ms) == (Status.FAILED, "timeout", 10_000)
    assert ended.finished_at is not None
    assert ended.started_at is not None
    assert ended.finished_at - ended.started_at == pytest.approx(2_000, abs=100)


def test_only_what_has_settled_can_be_deleted(store: Store, running: Make, pending: Make) -> None:
    done, runs, waits = running(), running(), pending()
    write(store, "settle", success(done))
    assert write(store, "delete", done.id, runs.id, waits.id, "nothing") == [True, False, False, False]
    assert {row.id for row in store.read([done.id, runs.id, waits.id])} == {runs.id, waits.id}


def test_a_retry_is_found_by_its_key(store: Store, pending: Make) -> None:
    made = pending(key="retry of 1")
    assert store.looks.retries("work", "retry of 1", None) == [made.id]
    assert store.looks.retries("work", "retry of 1", "somebody") == []
