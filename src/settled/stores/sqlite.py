"""The SQLite store: WAL, ``synchronous=FULL``, one writer connection, one reading connection a thread.

The clock of this ledger is the machine's steady clock plus an offset that the ledger itself holds,
so that every process agrees and a step of the system clock moves no deadline.

Longer than other rooms: most of it are verbs of a few lines, each of which the protocol describes.
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
from settled.ids import new_id, new_ids
from settled.records import Finding, Former, LatestRow, NewTask, Snapshot, Verdict, WorkerRow
from settled.states import Reason, Status
from settled.stores import sqlite_check, sqlite_lanes, sqlite_open
from settled.stores.base import (
    EXPIRY_MARGIN_MS,
    PUBLISH_AFTER_MS,
    PUBLISH_WITHIN_MS,
    Backlog,
    Batches,
    Beat,
    Change,
    Claim,
    Due,
    Loss,
    Progress,
    Prune,
    Publish,
    Pulse,
    Purge,
    Put,
    Refresh,
    RowRefused,
    Written,
)
from settled.stores.batch_reads import BatchReads
from settled.stores.liveness import LockFolder
from settled.stores.rows import born, latest_of, snapshot_of
from settled.stores.sqlite_errors import is_busy, translate
from settled.stores.sqlite_looks import SQLiteLooks
from settled.stores.sqlite_statements import MOST_ROWS, SQL, insertion, of_group, of_new, of_refresh, settlement

STALLED_MS = 20
"""A transaction that takes longer looks at the bounds again before it commits: readers go by the clock meanwhile."""
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
        self._alive = ""  # the workers that may be given work, as the transaction began
        self._moving: list[str] = []  # what the transaction moves in a way that counts before the bound alone
        self._spare: _Reader | None = None
        self._closed = True
        self.looks = SQLiteLooks(self._query, self.now)
        self.batches: Batches = BatchReads(self._ask, self._tasks_now, lambda ids: json.dumps(list(ids)))

    # -- life

    def exists(self) -> bool:
        with translate(self.path):
            return sqlite_open.is_ledger(self.path)

    def open(self) -> None:
        self._closed = False
        with translate(self.path):
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
            writer.close()
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
        with self.transaction() as now:
            return Written(now, [getattr(self, verb)(now, rows) for verb, rows in changes])

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
                made = self._born(rows, now)
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
    def transaction(self) -> Iterator[int]:
        """One transaction for writing; yields the ledger's instant, commits at the end, durable when it returns."""
        with translate(self.path):
            connection = self._connection()
            self._begin(connection)
            try:
                offset, alive = connection.execute(SQL["begin"]).fetchone()
                self._offset, self._alive = offset, alive or ""
                self._moving = []
                now = self.clock.steady_ms() + offset
                yield now
                self._check_bounds(now, self.clock.steady_ms() + offset)
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

    # -- verbs that write (base.Verbs), inside a transaction

    def insert(self, now: int, rows: Sequence[NewTask]) -> list[tuple[Snapshot, bool]]:
        for worker in {row.worker for row in rows if row.worker is not None}:
            if worker not in self._alive and not self._is_enlisted(worker):  # frozen, given up on, thawed
                rows = [row._replace(worker=None) if row.worker == worker else row for row in rows]
        made = self._born(rows, now)
        unkeyed = [row for row in made if row.key is None]
        for start in range(0, len(unkeyed), MOST_ROWS):
            self._cursor().execute(*insertion(unkeyed[start : start + MOST_ROWS], None, self._offset))
        return [(row, True) if row.key is None else self._insert_keyed(row) for row in made]

    def insert_batch(self, now: int, rows: Sequence[Sequence[NewTask]]) -> list[list[tuple[Snapshot, bool]]]:
        return [self._insert_batch(now, batch) for batch in rows]

    def _insert_batch(self, now: int, rows: Sequence[NewTask]) -> list[tuple[Snapshot, bool]]:
        made = [born(row, id_, now) for row, id_ in zip(rows, sorted(new_ids(now, len(rows))), strict=True)]
        rest = made
        if made[0].key is not None:
            first = self._insert_keyed(made[0])
            if not first[1]:
                return [first]
            rest = made[1:]
        for start in range(0, len(rest), MOST_ROWS):
            self._cursor().execute(*insertion(rest[start : start + MOST_ROWS], None, self._offset))
        return [(row, True) for row in made]

    def _born(self, rows: Sequence[NewTask], now: int) -> list[Snapshot]:
        ids = new_ids(now, len(rows))
        return [born(row, row.id or task_id, now) for row, task_id in zip(rows, ids, strict=True)]

    def _is_enlisted(self, worker: str) -> bool:
        return bool(self._cursor().execute(SQL["enlisted"], (worker,)).fetchone()[0])

    def _check_bounds(self, began: int, now: int) -> None:
        """Refuse to commit what a bound has overtaken since the transaction began, as when its process was stopped.

        Whoever looked meanwhile, and could not write, has said what the row that it saw comes to past its bound.
        """
        if now - began <= STALLED_MS or not self._moving:
            return
        moving = json.dumps(self._moving)
        if self._cursor().execute(SQL["overtaken"], (moving, began, now)).fetchone()[0]:
            raise LedgerUnavailable(
                f"A transaction took {(now - began) / 1000:g} s, past the bound of a task in it. Nothing was written; "
                "it is tried again."
            )

    def settle(self, now: int, rows: Sequence[Verdict]) -> list[bool]:
        self._moving += [
            v.id for v in rows if not v.expiry or v.reason is Reason.WORKER_LOST or v.status is Status.PENDING
        ]
        won: set[int] = set()
        left = list(rows)
        while left:  # two verdicts on one attempt are written one after the other
            first = {(row.id, row.attempt): row for row in reversed(left)}
            together = list(first.values())
            won.update(id(row) for row in self._winners(together, now))
            left = [row for row in left if first[row.id, row.attempt] is not row]
        refused = sum(id(row) not in won and not row.expiry for row in rows)
        if refused:
            self._one("count_refused", (refused,))
        return [id(row) in won for row in rows]

    def _winners(self, rows: Sequence[Verdict], now: int) -> Sequence[Verdict]:
        """Write verdicts on different attempts; return those not refused. Only where one was is each looked at."""
        won: list[Verdict] = []
        for status in (Status.COMPLETED, Status.FAILED, Status.PENDING):
            alike = [row for row in rows if row.status is status]
            for start in range(0, len(alike), MOST_ROWS):
                chunk = alike[start : start + MOST_ROWS]
                if self._write_all(chunk, now):
                    won += chunk
                elif len(chunk) > 1:
                    won += [row for row in chunk if self._write_all([row], now)]
        return won

    def claim(self, now: int, rows: Sequence[Claim]) -> list[list[Snapshot]]:
        claimed = [[snapshot_of(found, now) for found in self._claimed(now, row)] for row in rows]
        self._moving += [row.id for some in claimed for row in some]
        return claimed

    def _claimed(self, now: int, row: Claim) -> list[Any]:
        if row.ids is not None:
            claimed: list[Any] = []
            for id_ in row.ids:
                one = row._replace(ids=[id_], limit=1)
                claimed += self._claimed_free(now, one) or sqlite_lanes.claim(self._cursor(), now, one)
            return claimed
        return sqlite_lanes.claim(self._cursor(), now, row) if row.lanes else self._claimed_free(now, row)

    def _claimed_free(self, now: int, row: Claim) -> list[Any]:
        """Of those in no lane."""
        values = {
            "worker": row.worker, "names": row.names, "limit": row.limit, "id": row.ids[0] if row.ids else None,
            "now": now, "margin": EXPIRY_MARGIN_MS,
        }  # fmt: skip
        return self._cursor().execute(SQL["claim"], values).fetchall()

    def publish(self, now: int, rows: Sequence[Publish]) -> list[list[Snapshot]]:
        limits = {"now": now, "after": PUBLISH_AFTER_MS, "within": PUBLISH_WITHIN_MS}
        cursor = self._cursor()
        taken = [cursor.execute(SQL["publish"], {**row._asdict(), **limits}).fetchall() for row in rows]
        return [
            [snapshot_of(found, now) for found in free + sqlite_lanes.publish(cursor, now, row)]
            for row, free in zip(rows, taken, strict=True)
        ]

    def progress(self, now: int, rows: Sequence[Progress]) -> list[bool]:
        self._cursor().executemany(SQL["progress"], [(row.fraction, row.message, row.id, row.attempt) for row in rows])
        return [True] * len(rows)

    def enlist(self, now: int, rows: Sequence[WorkerRow]) -> list[bool]:
        return [
            self._one("enlist", (row.id, row.host, row.pid, row.names, now, now, row.lease_ms, row.engine))
            for row in rows
        ]

    def beat(self, now: int, rows: Sequence[Beat]) -> list[bool]:
        heard = [self._one("beat", (now, row.worker)) for row in rows]
        lease = max(row.lease_ms for row in rows)
        self._one("pulse", (now, lease, now, now))
        return heard

    def lose(self, now: int, rows: Sequence[Loss]) -> list[bool]:
        return [self._one("mark_lost", (now, row.worker, row.gone, now)) for row in rows]

    def dismiss(self, now: int, rows: Sequence[str]) -> list[bool]:
        return [self._one("dismiss", (worker,)) for worker in rows]

    def retain(self, now: int, rows: Sequence[int]) -> list[bool]:
        return [self._one("retain", (age_ms,)) for age_ms in rows]

    def prune(self, now: int, rows: Sequence[Prune]) -> list[int]:
        cursor = self._cursor()
        cursor.execute(SQL["prune_lanes"], {"now_us": now * 1000})
        return [
            cursor.execute(SQL["prune"], (new_id(now - row.age_ms), new_id(now), now - row.age_ms, row.limit)).rowcount
            for row in rows
        ]

    def delete(self, now: int, rows: Sequence[str]) -> list[bool]:
        return [self._one("delete", (task_id,)) for task_id in rows]

    def refresh(self, now: int, rows: Sequence[Sequence[Refresh]]) -> list[list[Snapshot | None]]:
        started = [item for row in rows for item in row if self._one("start_refresh", {**of_refresh(item), "now": now})]
        made = self.insert(now, [item.new._replace(id=item.task, latest=item.key) for item in started])
        by_id = {task.id: task for task, _ in made}
        return [[by_id.get(item.task) for item in row] for row in rows]

    def put(self, now: int, rows: Sequence[Put]) -> list[bool]:
        return [self._one("put", {**row._asdict(), **row.policy._asdict(), "now": now}) for row in rows]

    def purge(self, now: int, rows: Sequence[Purge]) -> list[bool]:
        return [self._one("purge", row._asdict()) for row in rows]

    def forget(self, now: int, rows: Sequence[int]) -> list[int]:
        return [self._cursor().execute(SQL["forget"], (now, limit)).rowcount for limit in rows]

    # -- verbs that read

    def read(self, ids: Sequence[str]) -> list[Snapshot]:
        if len(ids) == 1:
            return self._tasks("read_task", (ids[0],))
        return self._tasks("read_tasks", (json.dumps(list(ids)),))

    def quiet(self) -> bool:
        return True  # the bounds of a transaction are looked at just before it commits

    def overdue(self, limit: int) -> list[Snapshot]:
        return self._tasks("overdue", (self.now(), limit))

    def orphans(self, limit: int) -> list[Snapshot]:
        return self._tasks("orphans", (limit,))

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
            self._writer.close()
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
        connection.execute("PRAGMA cache_size = -4096")  # there is one for each thread
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

    def _write_all(self, rows: Sequence[Verdict], now: int) -> bool:
        return self._cursor().execute(*settlement(rows, now, now, self._offset)).rowcount == len(rows)

    def _one(self, name: str, values: Any) -> bool:
        return self._cursor().execute(SQL[name], values).rowcount == 1

    def _cursor(self) -> sqlite3.Cursor:
        """A cursor of the transaction under way."""
        assert self._writer is not None
        return self._writer.cursor()

    def _insert_keyed(self, snapshot: Snapshot) -> tuple[Snapshot, bool]:
        if self._one("insert_keyed", of_new(snapshot) + of_group(snapshot)):
            return snapshot, True
        values = (snapshot.id, snapshot.name, snapshot.key, snapshot.owner)
        found = self._cursor().execute(SQL["read_key"], values).fetchone()
        if found is None:
            raise RowRefused("The idempotency key is taken, but its task cannot be read.")
        return snapshot_of(found, snapshot.as_of), False


class _Reader:
    """One thread's connection for reading, and the file that it is for; closed when neither thread nor store need it.

    Never sooner: SQLite's module crashes when one thread closes what another is using.
    """

    __slots__ = ("connection", "identity")

    def __init__(self, connection: sqlite3.Connection, identity: tuple[int, int] | None) -> None:
        self.connection = connection
        self.identity = identity

    def __del__(self) -> None:
        self.connection.close()


def _deleted(path: Path) -> str:
    return (
        f"The database file {path} has been deleted or moved away, so nothing can be kept. "
        "Put it back, or restart the processes to begin with an empty ledger."
    )
