"""The database itself refuses what must never happen, whoever asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from settled.records import Snapshot
from settled.stores.base import Store
from tests.stores.making import failure, success
from tests.stores.worlds import World, write

Make = Callable[..., Snapshot]
COLUMNS = [name for name in Snapshot._fields if name != "as_of"]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("verdict", [success, failure], ids=["completed", "failed"])
def test_a_settled_row_never_changes_again(
    world: World, store: Store, running: Make, verdict: Callable[[Snapshot], object], column: str
) -> None:
    row = running()
    write(store, "settle", verdict(row))
    settled = store.read([row.id])[0]
    with pytest.raises(world.refusals, match="never changes"):
        world.sql(f"UPDATE task_results SET {column} = {column} WHERE id = '{row.id}'")
    assert store.read([row.id])[0] == settled


@pytest.mark.parametrize("status", ["pending", "running", "completed", "failed"])
def test_no_status_follows_a_terminal_one(world: World, store: Store, running: Make, status: str) -> None:
    row = running()
    write(store, "settle", success(row))
    with pytest.raises(world.refusals):
        world.sql(f"UPDATE task_results SET status = '{status}' WHERE id = '{row.id}'")


@pytest.mark.parametrize("make", ["pending", "running"])
def test_an_open_row_cannot_be_deleted(request: pytest.FixtureRequest, world: World, store: Store, make: str) -> None:
    row = request.getfixturevalue(make)()
    with pytest.raises(world.refusals, match="cannot be deleted"):
        world.sql(f"DELETE FROM task_results WHERE id = '{row.id}'")
    assert store.read([row.id]) == [row]


def test_a_settled_row_can_be_deleted(world: World, store: Store, running: Make) -> None:
    row = running()
    write(store, "settle", success(row))
    world.sql(f"DELETE FROM task_results WHERE id = '{row.id}'")
    assert store.read([row.id]) == []


@pytest.mark.parametrize(
    "change",
    [
        "settles_at = settles_at + 1",
        "settles_at = settles_at - 1",
        "created_at = 0",
        "id = 'other'",
        "attempt = attempt - 1",
    ],
)
def test_nobody_moves_the_bound_or_takes_an_attempt_back(
    world: World, store: Store, running: Make, change: str
) -> None:
    row = running()
    with pytest.raises(world.refusals, match="fixed"):
        world.sql(f"UPDATE task_results SET {change} WHERE id = '{row.id}'")
    assert store.read([row.id]) == [row]


@pytest.mark.parametrize(
    "change",
    [
        "status = 'cancelled'",
        "status = NULL",
        "status = 'failed'",  # without a message
        "status = 'failed', error_message = 'x', reason = 'because'",
        "status = 'completed', error_message = 'x'",
        "status = 'completed', reason = 'timeout'",
        "status = 'failed', error_message = 'x', result_data = '1'",
        "result_data = '1'",
        "worker = NULL",
        "attempt = 4",
        "deadline_at = settles_at + 1",
        "progress = 1.5",
        "timeout_ms = 0",
    ],
)
def test_a_row_that_means_nothing_is_refused(world: World, store: Store, running: Make, change: str) -> None:
    row = running()
    with pytest.raises(world.refusals):
        world.sql(f"UPDATE task_results SET {change} WHERE id = '{row.id}'")
    assert store.read([row.id]) == [row]


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_task_is_born_open(world: World, store: Store, status: str) -> None:
    with pytest.raises(world.refusals, match="born open"):
        world.sql(f"INSERT INTO task_results (id, status, error_message) VALUES ('x', '{status}', NULL)")


def test_a_task_cannot_be_running_that_nobody_runs(world: World, store: Store) -> None:
    with pytest.raises(world.refusals):
        world.sql("INSERT INTO task_results (id, status) VALUES ('x', 'running')")
