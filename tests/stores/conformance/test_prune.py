"""prune: what has settled goes, by the age in its id and the time since it ended; nothing else ever does."""

from __future__ import annotations

from collections.abc import Callable

from settled.records import Snapshot
from settled.stores.base import Prune, Store
from tests.stores.making import failure, new_task, success
from tests.stores.worlds import World, write

Make = Callable[..., Snapshot]
AGE = 60.0
ALL = Prune(60_000, 1_000)


def test_a_settled_task_goes_when_it_is_older_than_the_age(world: World, store: Store, running: Make) -> None:
    row = running()
    write(store, "settle", success(row))
    world.advance(AGE)
    assert write(store, "prune", ALL) == [0]
    world.advance(0.001)
    assert store.prunable(60_000, 10) == 1
    assert write(store, "prune", ALL) == [1]
    assert store.read([row.id]) == []
    assert store.prunable(60_000, 10) == 0


def test_one_that_settled_lately_stays_however_old_it_is(world: World, store: Store, running: Make) -> None:
    row = running()
    world.advance(40)
    write(store, "settle", failure(row))
    world.advance(AGE)
    assert write(store, "prune", ALL) == [0]
    world.advance(0.001)
    assert write(store, "prune", ALL) == [1]


def test_an_open_task_is_never_pruned(world: World, store: Store, running: Make, pending: Make) -> None:
    running()
    pending()
    world.advance(1_000_000)
    assert write(store, "prune", ALL) == [0]


def test_no_more_than_the_limit_go_at_once(world: World, store: Store, running: Make) -> None:
    write(store, "settle", *[success(running()) for _ in range(5)])
    world.advance(2 * AGE)
    assert store.prunable(60_000, 3) == 3
    assert write(store, "prune", Prune(60_000, 3)) == [3]
    assert write(store, "prune", Prune(60_000, 3)) == [2]


def test_a_younger_one_stays_when_an_older_one_goes(world: World, store: Store, running: Make) -> None:
    old = running()
    write(store, "settle", success(old))
    world.advance(AGE + 1)
    young = running()
    write(store, "settle", success(young))
    assert write(store, "prune", ALL) == [1]
    assert [row.id for row in store.read([old.id, young.id])] == [young.id]


def test_nothing_can_be_pruned_of_the_present(store: Store, running: Make) -> None:
    write(store, "settle", success(running()))
    assert write(store, "prune", Prune(0, 10)) == [0]


def test_an_id_that_somebody_else_gave_goes_by_the_time_since_it_ended(world: World, store: Store) -> None:
    new = [new_task(id=id_, key=f"celery:{id_}") for id_ in ("zebra", "001f", "fffb1c00-0000-4000-8000-000000000000")]
    made = [row for row, _ in write(store, "insert", *new)]
    write(store, "settle", *(failure(row) for row in made[:2]))
    assert write(store, "prune", ALL) == [0]
    world.advance(AGE + 0.001)
    assert write(store, "prune", ALL) == [2]
    assert [row.id for row in store.read([row.id for row in made])] == [made[2].id]
