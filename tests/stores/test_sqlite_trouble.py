"""What the file system and other programs do to a database file, and what the store says of it."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from settled.errors import LedgerFull, LedgerUnavailable
from settled.records import Snapshot, Verdict
from settled.states import Reason
from settled.stores import liveness
from settled.stores.base import Claim
from settled.stores.sqlite import SQLiteStore
from settled.stores.sqlite_transaction import Transaction
from tests.stores.making import failure, new_task, put_back, success, worker_row
from tests.stores.worlds import SQLiteWorld, write


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_lock_is_named_and_nothing_is_written(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    with locked(sqlite.path), pytest.raises(LedgerUnavailable, match=r"holds its lock.*Nothing was written"):
        write(store, "insert", new_task())
    assert store.counts() == {}
    write(store, "insert", new_task())


def test_a_locked_file_can_be_read(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    row, _ = write(store, "insert", new_task())[0]
    with locked(sqlite.path):
        assert store.read([row.id]) == [row]


def test_a_full_disk_is_named_and_nothing_is_half_written(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    assert store._writer is not None
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(LedgerFull, match=r"disk .*is full: nothing was written\. Free some room"):
        write(store, "insert", new_task("small"), new_task(arguments="x" * 100_000))
    assert store.counts() == {}
    store._writer.execute("PRAGMA max_page_count = 1000000")
    write(store, "insert", new_task())


def test_a_file_deleted_under_it_takes_no_writes(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    sqlite.path.unlink()
    with pytest.raises(LedgerUnavailable, match=r"deleted or moved away.*Put it back, or restart"):
        write(store, "insert", new_task())
    assert not sqlite.path.exists()


def test_a_file_that_was_moved_away_and_back_goes_on(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    write(store, "enlist", worker_row("w"))
    row, _ = write(store, "insert", new_task(worker="w"))[0]
    aside = sqlite.path.with_name("aside.db")
    sqlite.path.rename(aside)
    with pytest.raises(LedgerUnavailable):
        write(store, "settle", success(row))
    aside.rename(sqlite.path)
    assert write(store, "settle", success(row)) == [True]


def test_a_file_that_was_replaced_is_the_ledger_from_then_on(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    old, _ = write(store, "insert", new_task())[0]
    for suffix in ("", "-wal", "-shm"):
        Path(f"{sqlite.path}{suffix}").unlink(missing_ok=True)
    fresh = sqlite.open()
    new, _ = write(store, "insert", new_task())[0]
    assert store.read([old.id, new.id]) == fresh.read([old.id, new.id]) == [new]


def test_threads_that_are_no_more_leave_no_connection_behind(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    row, _ = write(store, "insert", new_task())[0]

    def read() -> None:
        thread = threading.Thread(target=store.read, args=([row.id],))
        thread.start()
        thread.join(timeout=10)

    read()
    gc.collect()
    before = len(os.listdir("/dev/fd"))
    for _ in range(30):
        read()
    gc.collect()
    assert len(os.listdir("/dev/fd")) <= before + 4


def test_a_reader_that_is_closed_by_another_thread_says_so(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    row, _ = write(store, "insert", new_task())[0]
    begun, troubles = threading.Event(), []

    def read_on() -> None:
        try:
            for _ in range(1_000_000):
                store.read([row.id])
                begun.set()
        except Exception as trouble:
            troubles.append(trouble)

    thread = threading.Thread(target=read_on)
    thread.start()
    begun.wait(timeout=10)
    store.close()
    thread.join(timeout=30)
    assert [type(trouble) for trouble in troubles] == [LedgerUnavailable]


def test_a_lock_file_that_cannot_be_made_is_trouble_with_the_ledger(sqlite: SQLiteWorld) -> None:
    sqlite.path.with_name("ledger.db.workers").write_text("not a folder")
    store = sqlite.open()
    with pytest.raises(LedgerUnavailable):
        store.hold("w")


def test_a_forked_child_does_not_take_its_parents_locks_for_its_own(sqlite: SQLiteWorld) -> None:
    """Else no child would ever notice its parent's death."""
    store = SQLiteStore(sqlite.path, sqlite.clock)
    store.hold("w")
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, str(len(liveness._held)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read_end, 10) == b"0"
    os.close(read_end)
    os.close(write_end)
    store.release("w")


def stopped(sqlite: SQLiteWorld, row: Snapshot, move: Callable[[Transaction], object], store: SQLiteStore) -> None:
    """Make the move in a transaction, past whose statement the process is stopped until the row's bound."""
    with store.transaction() as transaction:
        move(transaction)
        sqlite.advance((row.settles_at - transaction.now) / 1000)


LATE = {
    "a success": success,
    "a failure": failure,
    "another attempt": lambda row: put_back(row, row.as_of, row.as_of),
    "another attempt after expiry": lambda row: put_back(row, row.as_of, row.as_of)._replace(expiry=True),
    "a lost worker": lambda row: failure(row, Reason.WORKER_LOST, expiry=True),
}


@pytest.mark.parametrize("verdict", LATE.values(), ids=LATE)
def test_a_transaction_that_a_bound_has_overtaken_is_taken_back(
    sqlite: SQLiteWorld, verdict: Callable[[Snapshot], Verdict]
) -> None:
    """Its process was stopped between the statement and the commit, and whoever looked was told otherwise."""
    store = sqlite.open()
    write(store, "enlist", worker_row("alive"))
    row, _ = write(store, "insert", new_task(worker="alive"))[0]

    def settle(transaction: Transaction) -> None:
        assert transaction.settle([verdict(row)]) == [True]

    with pytest.raises(LedgerUnavailable, match="past the bound of a task in it"):
        stopped(sqlite, row, settle, store)
    assert store.read([row.id])[0][:-1] == row[:-1]


def test_a_claim_that_a_bound_has_overtaken_is_taken_back(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    write(store, "enlist", worker_row("alive"))
    row, _ = write(store, "insert", new_task())[0]

    def claim(transaction: Transaction) -> None:
        assert transaction.claim([Claim("alive", '["work"]', 1)])[0][0].id == row.id

    with pytest.raises(LedgerUnavailable, match="past the bound of a task in it"):
        stopped(sqlite, row, claim, store)
    assert store.read([row.id])[0][:-1] == row[:-1]


def test_what_the_clock_alone_says_is_committed_however_late(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    write(store, "enlist", worker_row("alive"))
    row, _ = write(store, "insert", new_task(worker="alive"))[0]
    expired = failure(row, Reason.TIMEOUT, expiry=True)
    stopped(sqlite, row, lambda transaction: transaction.settle([expired]), store)
    assert store.read([row.id])[0].reason is Reason.TIMEOUT
