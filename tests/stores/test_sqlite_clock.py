"""The ledger's clock on SQLite: the machine's steady clock, anchored in the file; all agree, and no jump counts."""

from __future__ import annotations

import pytest

from settled.ledger import Ledger
from settled.states import Reason, Status
from tests.stores.making import new_task, success, worker_row
from tests.stores.worlds import SQLiteWorld, write

HOUR = 3_600_000
NOW = 1_700_000_000_000


def test_a_new_ledger_begins_at_the_systems_time(sqlite: SQLiteWorld) -> None:
    assert sqlite.open().now() == NOW


@pytest.mark.parametrize("jump", [-10 * HOUR, -1, 1, 10 * HOUR])
def test_a_jump_of_the_system_clock_moves_no_deadline(sqlite: SQLiteWorld, jump: int) -> None:
    store = sqlite.open()
    row, _ = write(store, "insert", new_task())[0]
    sqlite.clock.set_wall(NOW + jump)
    other = sqlite.open()  # e.g. another process starts after the jump
    assert store.now() == other.now() == NOW
    sqlite.advance((row.deadline_at - row.as_of) / 1000)
    assert [found.id for found in other.overdue(1)] == [row.id]
    assert Ledger(other).get(row.id).reason is Reason.NEVER_STARTED


@pytest.mark.parametrize("jump", [-10 * HOUR, 10 * HOUR])
def test_while_a_worker_lives_the_clock_is_not_set(sqlite: SQLiteWorld, jump: int) -> None:
    store = sqlite.open()
    write(store, "enlist", worker_row("w"))
    sqlite.clock.set_wall(NOW + jump)
    assert sqlite.open().now() == NOW


@pytest.mark.parametrize("jump", [-10 * HOUR, 10 * HOUR])
def test_a_ledger_with_nothing_open_follows_a_corrected_system_clock(sqlite: SQLiteWorld, jump: int) -> None:
    sqlite.open().close()
    sqlite.clock.set_wall(NOW + jump)
    assert sqlite.open().now() == NOW + jump


@pytest.mark.parametrize("jump", [-10 * HOUR, 10 * HOUR])
def test_all_who_have_it_open_agree_after_a_correction(sqlite: SQLiteWorld, jump: int) -> None:
    reader = sqlite.open()
    sqlite.clock.set_wall(NOW + jump)
    writer = sqlite.open()
    row, _ = write(writer, "insert", new_task())[0]
    assert reader.read([row.id])[0].as_of == writer.read([row.id])[0].as_of
    sqlite.advance((row.settles_at - row.as_of) / 1000)
    assert Ledger(reader).get(row.id).settled


def test_a_slow_drift_is_not_followed_while_it_is_small(sqlite: SQLiteWorld) -> None:
    sqlite.open().close()
    sqlite.clock.set_wall(NOW + 999)
    assert sqlite.open().now() == NOW


def test_after_a_boot_the_systems_time_is_taken_anew(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    row, _ = write(store, "insert", new_task())[0]
    store.close()
    sqlite.clock.reboot()
    sqlite.clock.set_wall(NOW + HOUR)
    store = sqlite.open()
    assert store.now() == NOW + HOUR
    assert store.overdue(1)[0].id == row.id


@pytest.mark.parametrize("last", ["submit", "beat", "settle"])
def test_a_boot_without_a_battery_clock_never_sets_it_back(sqlite: SQLiteWorld, last: str) -> None:
    store = sqlite.open()
    write(store, "enlist", worker_row("w"))
    row, _ = write(store, "insert", new_task(worker="w"))[0]
    sqlite.advance(5)
    if last == "beat":
        from settled.stores.base import Beat

        write(store, "beat", Beat("w", 5_000))
    if last == "settle":
        write(store, "settle", success(row))
    instant = row.created_at if last == "submit" else NOW + 5_000
    store.close()
    sqlite.clock.reboot()
    sqlite.clock.set_wall(0)
    store = sqlite.open()
    assert store.now() >= instant
    sqlite.advance(70)
    assert Ledger(store).get(row.id).settled


def test_a_reboot_in_mid_task_settles_it_by_its_bound(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    write(store, "enlist", worker_row("w"))
    row, _ = write(store, "insert", new_task(worker="w"))[0]
    store.close()
    sqlite.clock.reboot()
    ledger = Ledger(sqlite.open())
    sqlite.advance(68)
    found = ledger.get(row.id)
    assert (found.status, found.settled) == (Status.FAILED, True)
    ledger.close()
