"""One process's way to the database of its world: slow, cut off, frozen, or with its answer lost, as the script says.

A write begins a transaction, whose instant is the ledger's clock then; holds the one lock for writing; looks at the
bounds again before it commits, as ``SQLiteStore`` does; and only then its answer travels back. Between any two of
these the process may die.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from greenlet import getcurrent

from settled.errors import LedgerFull, LedgerUnavailable
from settled.records import Finding, Former, LatestRow, NewTask, Snapshot, WorkerRow
from settled.states import Status
from settled.stores.base import Backlog, Change, Due, Pulse, RowRefused, Written
from tests.simulation.batch_reads import BatchReads
from tests.simulation.database import Database, late_but_true, names_of
from tests.simulation.scheduler import Fiber, World
from tests.simulation.stand_ins import EPOCH_MS, new_ids

_tuple: Any = tuple.__new__  # of all fields; to call the class of a row costs about twice as much
BUSY_SECONDS = 2.0
STALLED_MS = 20
LONGEST = 2.0
"""Seconds after which a server takes back a transaction that is idle."""
HANG = 0.5
"""Seconds until one that is cut off is told so."""


class Server:
    """Where the database is: what is wrong there, and whose turn it is to write."""

    def __init__(self, world: World, database: Database) -> None:
        self.world = world
        self.database = database
        self.away_until = 0.0
        self.full_until = 0.0
        self.between = 0.4
        self.locks: dict[str, Any] = {}
        """What is dropped with a process, or with its session: worker → the process."""
        self.missed: set[str] = set()
        """The workers that somebody was told were dead, though only their sessions had gone."""
        self.tells_deaths = True
        """Whether the processes are on one machine, where a death is seen at once."""
        self.rechecks = True
        """Whether a success whose bound has passed meanwhile is refused at the commit; else a reader asks for quiet."""
        self._writer: Transaction | None = None
        self._waiting: list[Fiber] = []

    def now(self) -> int:
        return EPOCH_MS + int(self.world.now * 1000 + 1e-6)

    def begin(self, process: Any) -> Transaction:
        """Begin to write, when nobody else does."""
        until = self.world.now + BUSY_SECONDS
        while (other := self._writer) is not None:
            if not self.rechecks and self.world.now - other.began > LONGEST:
                break  # the server has taken back what was idle for so long
            if self.world.now >= until:
                raise LedgerUnavailable("Another process keeps the database locked.")
            me = getcurrent()
            self._waiting.append(me)
            self.world.wait(me, until - self.world.now)
            if me in self._waiting:
                self._waiting.remove(me)
        self._writer = transaction = Transaction(process, self.world.now, self.now())
        return transaction

    def end(self, transaction: Transaction) -> None:
        if self._writer is transaction:
            self._writer = None
            if self._waiting:
                self.world.wake(self._waiting.pop(0))

    def alive(self, transaction: Transaction) -> bool:
        """Whether it may still commit."""
        return self._writer is transaction and (self.rechecks or self.world.now - transaction.began <= LONGEST)

    @property
    def writer(self) -> Any:
        """The process that writes just now."""
        return self._writer and self._writer.process

    def quiet(self, bound: int) -> bool:
        writer = self._writer
        return self.rechecks or writer is None or not self.alive(writer) or writer.began_ms >= bound

    def died(self, process: Any) -> None:
        """What the kernel does: locks are dropped, a transaction is taken back."""
        for worker, holder in list(self.locks.items()):
            if holder is process:
                self.locks[worker] = None
        if self._writer is not None and self._writer.process is process:
            self.end(self._writer)


class Transaction:
    """One that writes."""

    __slots__ = ("began", "began_ms", "process")

    def __init__(self, process: Any, began: float, began_ms: int) -> None:
        self.process = process
        self.began = began
        self.began_ms = began_ms


class SimStore:
    """``stores.base.Store``, for one process."""

    pause = 0.0

    def __init__(self, server: Server, process: Any) -> None:
        self.server = server
        self.process = process
        self.inline = True
        self._world = server.world
        self._database = server.database
        self._closed = True
        self._writes = 0
        self._sent: dict[int, tuple[NewTask, str]] = {}
        self.now = server.now
        self.batches = BatchReads(self._look, self.now)

    # -- life

    def exists(self) -> bool:
        return True

    def open(self) -> None:
        self._look(opening=True)
        self._closed = False

    def close(self) -> None:
        self._closed = True

    def journal(self) -> Any:
        return self.process.folder

    def version(self) -> int:
        return self._look().commits

    # -- writing

    def write(self, changes: Sequence[Change]) -> Written:
        server, world, process = self.server, self._world, self.process
        self._writes += 1
        self._look()
        if server.full_until > world.now or process.reads_only:
            raise LedgerFull("The disk is full.")
        trouble = process.trouble_of_write(self._writes)
        transaction = server.begin(process)
        now = server.now()
        try:
            if trouble is not None and trouble.slow:
                process.writes_slowly(trouble.slow)
                world.sleep(trouble.slow)
            else:
                self._others()
            if not server.alive(transaction):
                raise LedgerUnavailable("The server has taken the transaction back, which was idle for too long.")
            if server.rechecks:
                _check_bounds(changes, self._database.rows, now, server.now())
            results = self._commit(changes, now)
        finally:
            if not process.dead:
                server.end(transaction)
        self._others()
        if (trouble is not None and trouble.lost) or self._cut():
            world.sleep(HANG)
            raise LedgerUnavailable("The connection was cut before the answer to the commit came.")
        return Written(now, results)

    def _commit(self, changes: Sequence[Change], now: int) -> list[list[Any]]:
        """Give each new task its id once, however often it is sent, as ``PostgresStore`` does."""
        for verb, rows in changes:
            for news in rows if verb == "insert_batch" else [rows] if verb == "insert" else ():
                fresh = [new for new in news if id(new) not in self._sent]
                ids = sorted(new_ids(now, len(fresh)))
                self._sent.update((id(new), (new, id_)) for new, id_ in zip(fresh, ids, strict=True))
        self._database.sent = {key: id_ for key, (_, id_) in self._sent.items()}
        return self._database.commit(changes, now)

    def insert_within(self, new: NewTask) -> Generator[tuple[str, dict[str, Any]], Any, tuple[Snapshot, bool]]:
        raise NotImplementedError

    def _others(self) -> None:
        """Between two statements: others go on, and anything may happen; and often enough to meet every such place."""
        if self._world.random() < self.server.between:
            self._world.sleep(0)

    def _cut(self) -> bool:
        now = self._world.now
        return self.process.cut_until > now or self.server.away_until > now

    def _look(self, *, opening: bool = False) -> Database:
        """The way there."""
        if self._closed and not opening:
            raise LedgerUnavailable("The ledger is closed in this process.")
        world = self._world
        if world.random() < self.server.between:
            world.sleep(0)
        if self.process.cut_until > world.now or self.server.away_until > world.now:
            if world.in_fiber:
                world.sleep(HANG)
            raise LedgerUnavailable("The database cannot be reached.")
        return self._database

    def _seen(self, rows: Sequence[Snapshot]) -> list[Snapshot]:
        now = self.now()
        return [_tuple(Snapshot, (*row[:-1], now)) for row in rows]

    # -- reading

    def read(self, ids: Sequence[str]) -> list[Snapshot]:
        rows = self._look().rows
        if any("\0" in id_ or "\ud800" in id_ for id_ in ids):
            raise RowRefused("No text that the database can look for.")
        return self._seen([rows[id_] for id_ in dict.fromkeys(ids) if id_ in rows])

    def quiet(self, bound: int) -> bool:
        self._look()
        return self.server.quiet(bound)

    def overdue(self, limit: int) -> list[Snapshot]:
        return self._seen(self._look().overdue(self.now())[:limit])

    def orphans(self, limit: int) -> list[Snapshot]:
        return self._seen(self._look().orphans()[:limit])

    def held_by(self, worker: str) -> list[Snapshot]:
        rows = self._look().rows.values()
        return self._seen([row for row in rows if row.status is Status.RUNNING and row.worker == worker])

    def past_bound(self) -> list[Snapshot]:
        now = self.now()
        late = [row for row in self._look().rows.values() if not row.settled and row.settles_at <= now]
        return self._seen(late)

    def next_deadline(self) -> int | None:
        return self._look().next_deadline()

    def next_due(self, names: str) -> Due:
        database = self._look()
        return Due(database.next_due(names), database.lanes.waits())

    def next_in_lanes(self, names: str) -> int | None:
        return self._look().lanes.next_start(self.now(), names_of(names))

    def next_publish(self, names: str) -> int | None:
        return self._look().next_publish(names, self.now())

    def not_running(self, attempts: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        rows = self._look().rows
        running = {(row.id, row.attempt) for row in rows.values() if row.status is Status.RUNNING}
        return {(task_id, attempt) for task_id, attempt in attempts} - running

    def marks(self, ids: Sequence[str]) -> dict[str, list[object]]:
        rows = self._look().rows
        return {
            id_: [row.status, row.attempt, row.progress, row.progress_message]
            for id_ in ids
            if (row := rows.get(id_)) is not None
        }

    def workers(self) -> list[WorkerRow]:
        found = self._look().workers
        now = self.now()
        return [_tuple(WorkerRow, (*row[:-1], now)) for row in found.values()]

    def pulse(self) -> Pulse:
        return self._look().pulse(self.now())

    def select(
        self, status: str | None, name: str | None, reason: str | None, before: str | None, limit: int
    ) -> list[Snapshot]:
        rows = list(self._look().rows.values())
        if before is not None:
            ids = [row.id for row in rows]
            rows = rows[: ids.index(before)] if before in ids else []
        found = [
            row for row in reversed(rows)
            if status in (None, row.status) and name in (None, row.name) and reason in (None, row.reason)
        ]  # fmt: skip
        return self._seen(found[:limit])

    def counts(self) -> dict[tuple[str, str | None], int]:
        return self._look().counts()

    def backlog(self) -> list[Backlog]:
        return self._look().backlog(self.now())

    def prunable(self, age_ms: int, limit: int) -> int:
        rows, now = self._look().rows.values(), self.now()
        return min(limit, sum(self._database._prunable(row, now, age_ms) for row in rows))

    def latest(self, keys: Sequence[tuple[str, str]]) -> list[LatestRow]:
        rows = self._look().latest.rows
        return self._held([rows[key] for key in dict.fromkeys(map(tuple, keys)) if key in rows])

    def list_latest(
        self, name: str | None, after: tuple[str, str] | None, limit: int, *, failing: bool = False
    ) -> list[LatestRow]:
        rows = sorted(self._look().latest.rows.items())
        found = [
            row for key, row in rows
            if name in (None, row.name) and (after is None or key > after) and (row.last_error or not failing)
        ]  # fmt: skip
        return self._held(found[:limit])

    def former(self, name: str, key: str, limit: int) -> list[Former]:
        return self._look().latest.formers.get((name, key), [])[:limit]

    def _held(self, rows: Sequence[LatestRow]) -> list[LatestRow]:
        now = self.now()
        return [row._replace(as_of=now) for row in rows]

    def diagnose(self, *, deep: bool) -> list[Finding]:
        return []

    # -- liveness

    def hold(self, worker: str) -> None:
        self.server.locks[worker] = self.process

    def release(self, worker: str) -> None:
        self.server.locks.pop(worker, None)

    def gone(self, worker: str) -> bool:
        locks = self.server.locks
        if not self.server.tells_deaths or worker not in locks:
            return False
        holder = locks[worker]
        if holder is not None and holder.missed:
            self.server.missed.add(worker)
        return holder is None or holder.missed

    def listen(self, hint: Callable[[], None]) -> None:
        pass


def _check_bounds(changes: Sequence[Change], rows: Mapping[str, Snapshot], began: int, now: int) -> None:
    """Refuse what its bound has overtaken since the transaction began: whoever read meanwhile was told otherwise."""
    if now - began <= STALLED_MS:
        return
    late = {row.id for row in rows.values() if began < row.settles_at <= now}
    for verb, asked in changes if late else ():
        claims = verb == "claim" and any(rows[id_].status is Status.PENDING for id_ in late)
        if claims or (verb == "settle" and any(v.id in late and not late_but_true(v) for v in asked)):
            raise LedgerUnavailable("A transaction took too long. Nothing was written; it is tried again.")
