"""Opens a SQLite file as a ledger: the pragmas, the migrations, the anchor of its clock."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from settled.clock import Clock
from settled.errors import BadLedgerUrl, LedgerTooNew
from settled.stores import queries
from settled.stores.sqlite_errors import is_busy

BUSY_SECONDS = 0.5
"""How long one statement waits for another program's lock; the writer decides how often to try again."""
MADE_WITHIN = 10.0
"""Seconds that a process waits for another one that is making the file and its tables, as on a slow disk."""


_open: set[sqlite3.Connection] = set()
"""The connections of this process."""
_process = os.getpid()


def _after_fork() -> None:
    """A child never lets go of its parent's connections, for good: SQLite would wait there for a lock of its own.

    Another thread of the parent may have held that, as for every piece of memory, and is not there to let go of it.
    """
    global _process
    for connection in _open:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _open.clear()
    _process = os.getpid()


os.register_at_fork(after_in_child=_after_fork)


def close(connection: sqlite3.Connection) -> None:
    """Close a connection that ``connect`` returned; nothing in a forked child of the process that opened it."""
    if os.getpid() == _process:  # what other threads held goes before the child is told that it is one
        _open.discard(connection)
        connection.close()


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """Return a connection in autocommit mode with full durability; create the file only if asked.

    One that creates waits for another process that does so too; to read a ledger that is made takes no lock.
    """
    uri = f"file:{quote(str(path))}?mode={'rwc' if create else 'rw'}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=MADE_WITHIN if create else BUSY_SECONDS, isolation_level=None,
        check_same_thread=False, cached_statements=400,
    )  # fmt: skip
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16384")
    except sqlite3.Error:
        connection.close()
        raise
    _open.add(connection)
    return connection


@contextmanager
def a_database(path: Path) -> Iterator[None]:
    """Raise ``BadLedgerUrl`` for a file that is no SQLite database: it will not become one by waiting."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        raise BadLedgerUrl(
            f"{path} is no SQLite database. Nothing was changed. Give the ledger a file of its own."
        ) from None


def has_log(path: Path) -> bool:
    """Whether there is a log for a database of this name."""
    return any(path.with_name(path.name + end).exists() for end in ("-wal", "-shm"))


def is_ledger(path: Path) -> bool:
    """Whether the file is there and has a ledger's tables; makes nothing."""
    if not path.exists():
        return False
    connection = connect(path, create=False)
    try:
        return "task_ledger" in _tables(connection)
    finally:
        close(connection)


def is_locked(path: Path) -> bool:
    """Whether somebody keeps the lock that writers need for longer than a write takes."""
    connection = connect(path, create=False)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if not is_busy(error):
            raise
        return True
    finally:
        close(connection)
    return False


def expected_schema(sql: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return (kind, name, text) of every table, index and trigger that the migrations make."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for _, statements in queries.migrations("sqlite"):
            connection.executescript(statements)
        return connection.execute(sql["schema"]).fetchall()
    finally:
        connection.close()


def migrate(connection: sqlite3.Connection, path: Path, sql: dict[str, str]) -> None:
    """Bring the tables to this version, under the write lock; raise for what is not ours or is newer."""
    if _log_mode(connection) != "wal":
        raise BadLedgerUrl(
            f"{path} cannot use SQLite's write-ahead log, as on a network file system. Put it on a local disk."
        )
    steps = queries.migrations("sqlite")
    version = _version(connection, path, sql)
    if version == steps[-1][0]:
        return
    if version > steps[-1][0]:
        raise LedgerTooNew(
            f"{path} has tables of version {version}, this settled knows up to {steps[-1][0]}: a newer one wrote it. "
            "Nothing was changed. Install that version, or use another file."
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, path, sql)  # another process may have been first
        for number, statements in steps:
            if number > version:
                for statement in _split(statements):
                    connection.execute(statement)
                connection.execute("UPDATE task_ledger SET version = ?", (number,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _log_mode(connection: sqlite3.Connection) -> str:
    """Begin to use the write-ahead log, if that can be; return the mode in which the file is then.

    Two that do so at once each keep the other from it: SQLite tells one at once that the file is busy, and does not
    wait, for neither would ever go on (sqlite3_busy_handler). It waits for who writes if one holds nothing oneself.
    """
    until = time.monotonic() + MADE_WITHIN
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= until:
                raise
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def anchor(connection: sqlite3.Connection, clock: Clock, sql: dict[str, str], *, alone: bool) -> int:
    """Return the offset of the ledger's clock from the steady clock, anchoring it anew after a boot.

    It never goes backwards over a boot; within one it follows the system clock only if this process
    is alone with the ledger and no task is open, so that no deadline ever moves and all agree.
    """
    offset, boot = connection.execute(sql["read_clock"]).fetchone()
    if boot == clock.boot() and abs(clock.steady_ms() + offset - clock.wall_ms()) < 1000:
        return int(offset)  # as it should be: a ledger that is locked, or whose disk is full, can still be read
    connection.execute("BEGIN IMMEDIATE")
    try:
        offset, boot = connection.execute(sql["read_clock"]).fetchone()
        wall, steady = clock.wall_ms(), clock.steady_ms()
        if boot != clock.boot():
            wall = max(wall, connection.execute(sql["last_instant"]).fetchone()[0])
        elif abs(steady + offset - wall) < 1000 or not alone or not connection.execute(sql["idle"]).fetchone()[0]:
            wall = steady + offset
        connection.execute(sql["anchor_clock"], {"boot": clock.boot(), "wall": wall, "steady": steady})
        connection.execute("COMMIT")
        return wall - steady
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: Path, sql: dict[str, str]) -> int:
    tables = _tables(connection)
    if "task_ledger" in tables:
        return int(connection.execute(sql["read_ledger"]).fetchone()[0])
    if "task_results" in tables:
        raise BadLedgerUrl(
            f"{path} has a table task_results that settled did not make. Nothing was changed. "
            "Rename it, or give the ledger a file of its own."
        )
    return 0


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _split(statements: str) -> list[str]:
    """Single statements; a trigger's inner semicolons do not end it."""
    found, current = [], ""
    for line in statements.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    return found
