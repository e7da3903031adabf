"""Code that was written for the published pattern, on its four columns, works as it is; and what it forgets settles."""

from __future__ import annotations

import pytest

from settled.ids import new_id
from settled.ledger import Ledger
from settled.states import Reason, Status
from settled.stores.base import Prune, Store
from tests.stores.worlds import World, write

ID = "0183b1c0-0000-4000-8000-000000000000"  # any text will do; here a random UUID


def at_the_real_time(world: World, store: Store) -> None:
    """Columns that the pattern does not know get their instants from the database's own clock."""
    created = world.sql(f"SELECT created_at FROM task_results WHERE id = '{ID}'")[0][0]
    world.advance((created - store.now()) / 1000)


def test_a_row_of_two_columns_is_a_whole_task(world: World, store: Store) -> None:
    world.sql(f"INSERT INTO task_results (id, status) VALUES ('{ID}', 'pending')")
    at_the_real_time(world, store)
    row = store.read([ID])[0]
    assert (row.status, row.attempt, row.max_attempts, row.name) == (Status.PENDING, 0, 1, "(by hand)")
    assert row.settles_at > row.created_at
    assert row.deadline_at <= row.settles_at


def test_a_hand_written_success_settles_it(world: World, store: Store) -> None:
    world.sql(f"INSERT INTO task_results (id, status) VALUES ('{ID}', 'pending')")
    world.sql(f"""UPDATE task_results SET status = 'completed', result_data = '{{"visits": 5}}' WHERE id = '{ID}'""")
    row = Ledger(store).get(ID)
    assert (row.settled, row.status, row.result) == (True, Status.COMPLETED, {"visits": 5})


def test_a_hand_written_failure_settles_it_with_a_reason(world: World, store: Store) -> None:
    world.sql(f"INSERT INTO task_results (id, status) VALUES ('{ID}', 'pending')")
    world.sql(f"UPDATE task_results SET status = 'failed', error_message = 'no route' WHERE id = '{ID}'")
    row = Ledger(store).get(ID)
    assert (row.settled, row.status, row.reason, row.error_message) == (
        True,
        Status.FAILED,
        Reason.EXCEPTION,
        "no route",
    )


def test_one_that_its_code_forgot_settles_on_time(world: World, store: Store) -> None:
    world.sql(f"INSERT INTO task_results (id, status) VALUES ('{ID}', 'pending')")
    at_the_real_time(world, store)
    ledger = Ledger(store)
    row = ledger.get(ID)
    assert not row.settled
    world.advance(row.settles_in)
    row = ledger.get(ID)
    assert (row.status, row.reason) == (Status.FAILED, Reason.NEVER_STARTED)
    ledger.close()


def test_a_late_hand_is_refused_by_the_database(world: World, store: Store) -> None:
    test_one_that_its_code_forgot_settles_on_time(world, store)
    with pytest.raises(world.refusals, match="never changes"):
        world.sql(f"UPDATE task_results SET status = 'completed', result_data = '1' WHERE id = '{ID}'")


def test_what_was_settled_by_hand_is_pruned_too(world: World, store: Store) -> None:
    world.sql(f"INSERT INTO task_results (id, status) VALUES ('{ID}', 'pending')")
    world.sql(f"UPDATE task_results SET status = 'completed' WHERE id = '{ID}'")
    world.advance(10 * 365 * 86_400)
    assert write(store, "prune", Prune(60_000, 10)) == [1]


def test_nobody_claims_a_row_that_was_made_by_hand_unless_asked_for(world: World, store: Store) -> None:
    world.sql(f"INSERT INTO task_results (id, status) VALUES ('{new_id(store.now())}', 'pending')")
    assert store.next_due('["work"]').at is None
