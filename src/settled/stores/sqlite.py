"""The SQLite store: WAL, ``synchronous=FULL``, one writer connection, one reading connection a thread.

The clock of this ledger is the machine's steady clock plus an offset that the ledger itself holds,
so that every process agrees and a step of the system clock moves no deadline.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from settled.clock import Clock, SystemClock
from settled.errors import BadInput, LedgerUnavailable
from settled.ids import new_id
from settled.records import Finding, Former, LatestRow, NewTask, Snapshot, WorkerRow
from settled.stores import sqlite_check, sqlite_lanes, sqlite_open
from settled.stores.base import (
    Backlog,
    Batches,
    Change,
    Due,
    Pulse,
    Written,
)
from settled.stores.batch_reads import BatchReads
from settled.stores.liveness import LockFolder
from settled.stores.rows import born_at, latest_of, snapshot_of
from settled.stores.sqlite_errors import is_busy, translate
from settled.stores.sqlite_looks import SQLiteLooks
from settled.stores.sqlite_statements import MOST_ROWS, SQL, insertion, settlement
from settled.stores.sqlite_transaction import Transaction

NEAR_BOUND_MS = 1_000
"""So near to their bound, successes are not written at once: a process may be stopped before the statement ends."""


class SQLiteStore:
    """One SQLite file as a ledger's store; see ``base.Store`` for what each verb promises."""

    inline = True
    pause = 0.0  # a look costs next to nothing

    def __init__(self, path: str | Path, clock: Clock | None = None) -> None:
        self.path = Path(path).absolute()
        self.clock = clock or SystemClock()
        self._folder = self.path.with_name(self.path.name + ".workers")
        self._locks = LockFolder(self._folder)
        self._presence = f"open-{os.urandom(8).hex()}"
        self._writer: sqlite3.Connection | None = None
        self._local = threading.local()
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._spare: _Reader | None = None
        self._closed = True
        self.looks = SQLiteLooks(self._query, self.now)
        self.batches: Batches = BatchReads(self._ask, self._tasks_now, lambda ids: json.dumps(list(ids)))

    # -- life

    def exists(self) -> bool:
        with translate(self.path), sqlite_open.a_database(self.path):
            return sqlite_open.is_ledger(self.path)

    def open(self) -> None:
        self._closed = False
        if self._writer is not None:  # left by an open that failed, or of another file
            sqlite_open.close(self._writer)
        with translate(self.path), sqlite_open.a_database(self.path):
            if self._file() is None and sqlite_open.has_log(self.path) and self._locks.others("open-", self._presence):
                raise LedgerUnavailable(_half_deleted(self.path))
            self._writer = sqlite_open.connect(self.path, create=True)
            sqlite_open.migrate(self._writer, self.path, SQL)
            self._offset = sqlite_open.anchor(self._writer, self.clock, SQL, alone=self._alone())
            self._writer.execute("PRAGMA busy_timeout = 0")  # from now on only ``_begin`` waits for a lock
            self._identity = self._file()
            self._spare = self._new_reader()
            self._spare.connection.execute(SQL["read_clock"]).fetchall()  # now it has opened the log too

    def close(self) -> None:
        self._closed = True
        writer, self._writer = self._writer, None
        self._spare = None
        self._local = threading.local()  # lets go of all readers; one in use is closed by the thread that uses it
        if writer is not None:
            sqlite_open.close(writer)
        self._locks.release(self._presence)

    def journal(self) -> Path:
        return self._folder

    def now(self) -> int:
        return self.clock.steady_ms() + self._offset

    def version(self) -> int:
        return int(self._query("PRAGMA data_version")[0][0])

    def write(self, changes: Sequence[Change]) -> Written:
        written = self._write_at_once(*changes[0]) if len(changes) == 1 else None
        if written is not None:
            return written
        with self.transaction() as transaction:
            return Written(transaction.now, [getattr(transaction, verb)(rows) for verb, rows in changes])

    def _write_at_once(self, verb: str, rows: Sequence[Any]) -> Written | None:
        """Write the usual inserts or verdicts, nothing being amiss, as one statement that is a transaction by itself.

        None if it changed nothing, or cannot be so: then each row must be looked at. It does not wait
        for a lock, for its instant would be an old one.
        """
        if not 0 < len(rows) <= MOST_ROWS or verb not in ("insert", "settle"):
            return None
        results: list[Any]
        with translate(self.path):
            connection = self._connection()
            now = self.now()
            if verb == "insert":
                worker = rows[0].worker
                if any(row.key is not None or row.worker != worker for row in rows):
                    return None
                made = born_at(now, rows)
                statement, results = insertion(made, worker, self._offset), [(row, True) for row in made]
            else:
                status = rows[0].status
                if any(row.status is not status for row in rows) or len({row.id for row in rows}) < len(rows):
                    return None
                statement = settlement(rows, now, now + NEAR_BOUND_MS, self._offset)
                results = [True] * len(rows)
            try:
                return Written(now, [results]) if connection.execute(*statement).rowcount == len(rows) else None
            except sqlite3.OperationalError as error:
                if is_busy(error):
                    return None
                raise

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction for writing; it commits at the end, and is durable when this returns."""
        with translate(self.path):
            connection = self._connection()
            self._begin(connection)
            try:
                self._offset, alive = connection.execute(SQL["begin"]).fetchone()
                transaction = Transaction(connection, self.now(), self._offset, alive or "")
                yield transaction
                transaction.check_bounds(self.now())
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Begin, waiting for another process's lock; statements that are transactions by themselves do not wait."""
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
        connection.execute(f"PRAGMA busy_timeout = {round(sqlite_open.BUSY_SECONDS * 1000)}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            connection.execute("PRAGMA busy_timeout = 0")

    def insert_within(self, new: NewTask) -> Generator[tuple[str, dict[str, Any]], Any, tuple[Snapshot, bool]]:
        raise BadInput(
            "A ledger on SQLite cannot take part in your own transaction: it has a file, and a clock, of its own. "
            "Submit after your commit, or put the ledger on PostgreSQL beside your data. Nothing was submitted."
        )

    # -- verbs that read

    def read(self, ids: Sequence[str]) -> list[Snapshot]:
        if len(ids) == 1:
            return self._tasks("read_task", (ids[0],))
        return self._tasks("read_tasks", (json.dumps(list(ids)),))

    def quiet(self, bound: int) -> bool:
        return True  # the bounds of a transaction are looked at just before it commits

    def overdue(self, limit: int) -> list[Snapshot]:
        return self._tasks("overdue", (self.now(), limit))

    def orphans(self, limit: int) -> list[Snapshot]:
        return self._tasks("orphans", (limit,))

    def held_by(self, worker: str) -> list[Snapshot]:
        return self._tasks("held_by", (worker,))

    def past_bound(self) -> list[Snapshot]:
        return self._tasks("past_bound", (self.now(),))

    def next_deadline(self) -> int | None:
        found: int | None = self._query(SQL["next_deadline"])[0][0]
        return found

    def next_due(self, names: str) -> Due:
        at, lanes = self._query(SQL["next_due"], (names,))[0]
        return Due(at, bool(lanes))

    def next_in_lanes(self, names: str) -> int | None:
        return sqlite_lanes.next_in(self._query(SQL["lanes"], {"names": names, "now": self.now(), "id": None}))

    def next_publish(self, names: str) -> int | None:
        found = self._query(SQL["next_publish"], (names,))
        lanes = self.next_in_lanes(names)
        return min((at for at in (found[0][0] if found else None, lanes) if at is not None), default=None)

    def not_running(self, attempts: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        return {(row[0], row[1]) for row in self._query(SQL["not_running"], (json.dumps(list(attempts)),))}

    def marks(self, ids: Sequence[str]) -> dict[str, list[object]]:
        marks: dict[str, list[object]] = json.loads(self._query(SQL["marks"], (json.dumps(list(ids)),))[0][0])
        return marks

    def workers(self) -> list[WorkerRow]:
        now = self.now()
        return [WorkerRow._make((*row, now)) for row in self._query(SQL["read_workers"])]

    def pulse(self) -> Pulse:
        version, _, pulse_at, steady_since, refused, retention_ms = self._query(SQL["read_ledger"])[0]
        return Pulse(version, pulse_at, steady_since, refused, retention_ms, self.now())

    def select(
        self, status: str | None, name: str | None, reason: str | None, before: str | None, limit: int
    ) -> list[Snapshot]:
        return self._tasks("list", {"status": status, "name": name, "reason": reason, "before": before, "limit": limit})

    def counts(self) -> dict[tuple[str, str | None], int]:
        return {(status, reason): count for status, reason, count in self._query(SQL["counts"])}

    def backlog(self) -> list[Backlog]:
        return [Backlog(*row) for row in self._query(SQL["backlog"], (self.now(),))]

    def prunable(self, age_ms: int, limit: int) -> int:
        before = self.now() - age_ms
        return int(self._query(SQL["prunable"], (new_id(before), before, limit))[0][0])

    def latest(self, keys: Sequence[tuple[str, str]]) -> list[LatestRow]:
        if len(keys) == 1:
            return self._latest("read_latest", keys[0])
        return self._latest("read_latests", (json.dumps(list(keys)),))

    def list_latest(
        self, name: str | None, after: tuple[str, str] | None, limit: int, *, failing: bool = False
    ) -> list[LatestRow]:
        page = dict(zip(("after_name", "after_key"), after or (None, None), strict=True))
        return self._latest("list_latest", {"name": name, "failing": failing, "limit": limit, **page})

    def former(self, name: str, key: str, limit: int) -> list[Former]:
        return [Former._make(row) for row in self._query(SQL["former"], (name, key, limit))]

    def diagnose(self, *, deep: bool) -> list[Finding]:
        with translate(self.path):
            reader = self._reader()
            return sqlite_check.findings(reader.connection, self.path, SQL, deep=deep)

    # -- liveness

    def hold(self, worker: str) -> None:
        with translate(self.path):
            self._locks.hold(worker)

    def release(self, worker: str) -> None:
        self._locks.release(worker)

    def gone(self, worker: str) -> bool:
        return self._locks.gone(worker)

    def listen(self, hint: Callable[[], None]) -> None:
        pass  # to look whether the file has changed costs nothing

    # -- the inside

    def _connection(self) -> sqlite3.Connection:
        """The writer's connection, on the file that the path names now."""
        if self._closed or self._writer is None:
            raise LedgerUnavailable("The ledger is closed in this process; open it again to go on.")
        file = self._file()
        if file is None:
            raise LedgerUnavailable(_deleted(self.path))
        if file != self._identity:
            self.open()
        return self._writer

    def _alone(self) -> bool:
        """Show that the ledger is open here; whether it is so nowhere else, in this process or another."""
        try:
            self._locks.release(self._presence)
            self._presence = f"open-{os.urandom(8).hex()}"  # processes that were forked before have one each
            self._locks.hold(self._presence)
            return not self._locks.others("open-", self._presence)
        except OSError:
            return False  # it can be read all the same

    def _file(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _reader(self) -> _Reader:
        held: _Reader | None = getattr(self._local, "held", None)
        if held is not None and held.identity is self._identity:
            return held
        if self._closed:
            raise LedgerUnavailable("The ledger is closed in this process; open it again to go on.")
        if self._file() is None:
            if self._spare is None:
                raise LedgerUnavailable(_deleted(self.path))
            return self._spare  # deleted under us: what is open can still be read, by a thread that is new to it too
        self._local.held = held = self._new_reader()
        return held

    def _new_reader(self) -> _Reader:
        connection = sqlite_open.connect(self.path, create=False)
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA cache_size = -1024")  # KiB; each thread has one, and the system caches the file too
        return _Reader(connection, self._identity)

    def _query(self, sql: str, values: Any = ()) -> list[Any]:
        with translate(self.path):
            reader = self._reader()
            return reader.connection.execute(sql, values).fetchall()

    def _tasks(self, name: str, values: Any) -> list[Snapshot]:
        rows = self._query(SQL[name], values)
        now = self.now()
        return [snapshot_of(row, now) for row in rows]

    def _latest(self, name: str, values: Any) -> list[LatestRow]:
        rows = self._query(SQL[name], values)
        now = self.now()
        return [latest_of(row, now) for row in rows]

    def _ask(self, name: str, **values: Any) -> list[Any]:
        rows, now = self._query(SQL[name], values), self.now()
        return [(*row, now) for row in rows] if name == "batch_states" else rows

    def _tasks_now(self, name: str, **values: Any) -> list[Snapshot]:
        return self._tasks(name, {"now": self.now(), **values})


class _Reader:
    """One thread's connection for reading, and the file that it is for; closed when neither thread nor store need it.

    Never sooner: SQLite's module crashes when one thread closes what another is using.
    """

    __slots__ = ("connection", "identity")

    def __init__(self, connection: sqlite3.Connection, identity: tuple[int, int] | None) -> None:
        self.connection = connection
        self.identity = identity

    def __del__(self) -> None:
        sqlite_open.close(self.connection)


def _deleted(path: Path) -> str:
    return (
        f"The database file {path} has been deleted or moved away, so nothing can be kept. "
        "Put it back, or restart the processes to begin with an empty ledger."
    )


def _half_deleted(path: Path) -> str:
    return (
        f"The database file {path} was deleted while processes had it open, and {path.name}-wal is still theirs: it "
        "would damage a new file beside it. Nothing was made. End them all, then start again."
    )
