"""The ledger: the only code that may change a task's status.

It stands at the neck of the hourglass: faces and engines above speak to it, stores below serve it.
Whoever looks at a task through ``get`` settles it first if it is overdue, so the promise needs no
other process than the one that answers.

Longer than other rooms, for whatever changes or reads a status is to be found in one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import lru_cache
from typing import Any

from settled import verdicts, within
from settled.bell import Bell
from settled.commits import Commits
from settled.errors import KeyConflict, LedgerUnavailable, NotAllowed, SettledError, TaskNotFound, TaskPruned
from settled.ids import created_ms
from settled.journal import Journal
from settled.membership import Membership
from settled.policy import reserve_ms
from settled.reader import Reader
from settled.records import NewTask, Snapshot, Verdict, WorkerRow
from settled.states import Reason, Status
from settled.stores.base import Claim, Due, Progress, Prune, Publish, RowRefused, Store
from settled.writer import FOREVER, READ_PATIENCE, Writer

log = logging.getLogger("settled")
SUBMIT_PATIENCE = 5.0
"""Seconds that a submit waits for a database that is away, before it is a clear error."""
BATCH_PATIENCE = 15.0
"""The same for a whole batch, which is written in one commit."""
SWEEP_LIMIT = 500

Rows = list[Snapshot]
Workers = list[WorkerRow]
_listed = lru_cache(256)(json.dumps)
"""Names of task functions as the statements take them; an engine asks for the same few again and again."""


class Ledger:
    """The tasks of one database, from this process. Every method may be called from any thread."""

    def __init__(self, store: Store, *, lease: float = 30.0, retention: float | None = None) -> None:
        self.store = store
        self.bell = Bell()
        self.commits = Commits(self.bell)
        self._retention = retention
        self.loops: set[asyncio.AbstractEventLoop] = set()
        """The event loops that run this ledger's tasks, or serve them: nobody may hold one by waiting for a task."""
        self.cancelled: Callable[[Snapshot], None] = lambda row: None
        """Told of an open task, as it was, that a person has cancelled through this process."""
        self._journal = Journal(store.journal)
        self._writer = Writer(store, self._journal, self.commits.committed, self.commits.failed, self.commits.doubted)
        self._reader = Reader(store)
        self.membership = Membership(store, self._writer, lease)
        self._away_until = 0.0

    @property
    def worker(self) -> str | None:
        """The id of this process as a worker, if it is one."""
        return self.membership.worker

    def open(self) -> None:
        """Connect and migrate; settle at once what became overdue while nobody looked."""
        self.store.open()
        try:
            self._remember_retention()
            self.expire(thoroughly=True)
        except SettledError as error:  # a full disk, one bad row: reads answer rightly all the same
            log.warning("What is overdue could not be settled when the ledger was opened: %s", error)

    def close(self, patience: float = 5.0) -> None:
        """Write what is queued, for at most ``patience`` seconds, and let go of the database."""
        self._writer.close(patience)
        self._reader.close()
        self.store.close()
        self.bell.ring_all()

    # -- a task's life

    def add(self, new: NewTask) -> tuple[Snapshot, bool]:
        """Create a task, durable when this returns; False if its idempotency key named one that exists."""
        added: tuple[Snapshot, bool] = self._writer.write_all("insert", [new], SUBMIT_PATIENCE)[0]
        return _same(new, *added)

    async def aadd(self, new: NewTask) -> tuple[Snapshot, bool]:
        """The same, on an event loop."""
        added: tuple[Snapshot, bool] = await self._writer.awrite("insert", new, SUBMIT_PATIENCE)
        return _same(new, *added)

    def add_batch(self, news: Sequence[NewTask]) -> Rows:
        """Create the tasks of a batch in one commit; or return the first alone, if its key named one that exists."""
        added: list[tuple[Snapshot, bool]] = self._writer.write_all("insert_batch", [news], BATCH_PATIENCE)[0]
        return [row for row, _ in added]

    async def aadd_batch(self, news: Sequence[NewTask]) -> Rows:
        """The same, on an event loop."""
        added = await self._writer.awrite("insert_batch", news, BATCH_PATIENCE)
        return [row for row, _ in added]

    def add_within(self, new: NewTask, connection: Any) -> Snapshot:
        """Create a task in the transaction that a connection of the application's own is in; its commit makes it exist.

        Raises ``BadInput`` for a connection that cannot be used, ``KeyConflict``, and what its driver raises.
        """
        return _same(new, *within.run(connection, self.store.insert_within(new)))[0]

    async def aadd_within(self, new: NewTask, connection: Any) -> Snapshot:
        """The same, on an event loop."""
        return _same(new, *await within.arun(connection, self.store.insert_within(new)))[0]

    def claim(self, worker: str, names: Sequence[str], limit: int, task_id: str | None = None) -> Rows:
        """Take up to ``limit`` due tasks of these names, or the one task, to running."""
        claim = Claim(worker, _listed(tuple(names)), limit, None if task_id is None else [task_id])
        claimed: Rows = self._writer.write_all("claim", [claim], READ_PATIENCE)[0]
        return claimed

    def aclaim(self, worker: str, names: Sequence[str], limit: int, *, lanes: bool = False) -> asyncio.Future[Rows]:
        """The same on an event loop, for tasks in lanes or for all others."""
        return self._writer.awrite("claim", Claim(worker, _listed(tuple(names)), limit, None, lanes), READ_PATIENCE)

    def aclaim_these(self, worker: str, names: Sequence[str], task_ids: Sequence[str]) -> asyncio.Future[Rows]:
        """The same for those of these tasks that are due."""
        claim = Claim(worker, _listed(tuple(names)), len(task_ids), task_ids)
        return self._writer.awrite("claim", claim, READ_PATIENCE)

    async def auntold(self, worker: str) -> Rows:
        """What runs under this worker's name and nobody here was told of: its claim was written, the answer was lost.

        Clears ``doubtful``, unless it raises ``LedgerUnavailable``.
        """
        self.commits.doubtful = False
        try:
            held = await self.aread(self.store.held_by, worker)
            if all(row.id in self.commits.here for row in held):
                return []
            # What was on its way when that was read has been told of once a later write has been.
            await self.achange("beat", self.membership.beat_of(worker), READ_PATIENCE)
            untold = {(row.id, row.attempt) for row in held if row.id not in self.commits.here}
            return [row for row in await self.aread(self.store.held_by, worker) if (row.id, row.attempt) in untold]
        except BaseException:
            self.commits.doubtful = True
            raise

    async def due_in(self, names: Sequence[str]) -> tuple[float | None, float | None]:
        """Seconds until a task of these names may be claimed, in no lane and in one; one index probe if there is none.

        To look through the lanes may take longer than an event loop may wait.
        """
        known = _listed(tuple(names))
        due: Due = await self.aread(self.store.next_due, known)
        ready = await self._reader.call(self.store.next_in_lanes, known) if due.lanes else None
        now = self.store.now()
        return None if due.at is None else (due.at - now) / 1000, None if ready is None else (ready - now) / 1000

    def unpublished(self, names: Sequence[str], limit: int) -> Rows:
        """Take up to ``limit`` pending tasks of these names that an engine is to be told of again.

        No other process gets the same ones, and each comes up again after a growing pause, until somebody claims it.
        """
        known = _listed(tuple(names))
        next_ = self.store.next_publish(known)
        if next_ is None or next_ > self.store.now():
            return []
        taken: Rows = self._writer.write_all("publish", [Publish(known, limit)], READ_PATIENCE)[0]
        return taken

    def refuse(self, task_id: str, message: str) -> bool:
        """Settle a task that its engine refused, unless an attempt at it has begun; whether it did."""
        row = self.get(task_id)
        if row.status is not Status.PENDING or row.attempt:
            return False
        return self.settle_now(verdicts.of_attempt(row, Reason.ENQUEUE_FAILED, message))

    def change(self, verb: str, rows: Sequence[Any], patience: float = SUBMIT_PATIENCE) -> list[Any]:
        """Make a change that touches no status (a verb of ``stores.base.Verbs``) for each row; their results."""
        return self._writer.write_all(verb, rows, patience)

    def achange(self, verb: str, row: Any, patience: float = SUBMIT_PATIENCE) -> asyncio.Future[Any]:
        """The same for one row, on an event loop."""
        return self._writer.awrite(verb, row, patience)

    def settle(self, verdict: Verdict, future: Future[bool] | asyncio.Future[bool] | None = None) -> None:
        """Queue an attempt's verdict; it is tried until it is written or refused, or the process ends."""
        self._writer.put("settle", verdict, future, FOREVER)

    def settle_now(self, verdict: Verdict, patience: float = SUBMIT_PATIENCE) -> bool:
        """Write a verdict and wait for it; False if it came too late and was refused."""
        won: bool = self._writer.write_all("settle", [verdict], patience)[0]
        return won

    def settle_all(self, found: Sequence[Verdict], patience: float = SUBMIT_PATIENCE) -> list[bool]:
        """Write many verdicts and wait for them; False for each that came too late and was refused."""
        return self._writer.write_all("settle", found, patience)

    def add_all(self, new: Sequence[NewTask]) -> list[tuple[Snapshot, bool]]:
        """Create tasks, durable when this returns; False for each whose idempotency key named one that exists."""
        return self._writer.write_all("insert", new, SUBMIT_PATIENCE)

    def delete(self, task_ids: Sequence[str]) -> list[bool]:
        """Delete those of the tasks that have settled, sooner than retention would; False for the others."""
        return self._writer.write_all("delete", task_ids, SUBMIT_PATIENCE)

    def record_progress(self, progress: Progress, future: Future[bool] | None = None) -> None:
        """Queue how far an attempt has come; lost if the ledger is away, for it decides nothing."""
        self._writer.put("progress", progress, future, 0.0)

    def cancel(self, task_id: str, message: str = "Cancelled on request.") -> Snapshot:
        """Settle an open task as failed / cancelled; raise ``NotAllowed`` if it has settled already."""
        for _ in range(5):  # it may move on between the read and the write
            row = self.get(task_id)
            if row.settled:
                raise NotAllowed(f"The task has already settled as {row.status}; what has settled never changes.")
            if self.settle_now(verdicts.of_attempt(row, Reason.CANCELLED, message)):
                self.cancelled(row)
                break
        return self.get(task_id)

    def retry(self, task_id: str) -> tuple[Snapshot, bool]:
        """Submit a settled task's call again, as a new task linked to the old; once, however often asked."""
        return self.add(self.again(self.get(task_id)))

    def again(self, row: Snapshot) -> NewTask:
        """The new task that a retry of a settled one submits; its key makes a double click harmless."""
        if not row.settled:
            raise NotAllowed(
                f"The task is still {row.status}; only a settled one can be tried again. Cancel it first, or wait."
            )
        if row.adopted:
            raise NotAllowed("Celery runs this task, and nothing here can send it there. Call it again in your app.")
        if row.latest is not None:
            raise NotAllowed(
                f"The task refreshed the latest value of {row.latest!r}. Refresh that key instead: its row must know."
            )
        reserve = reserve_ms(0, row.max_attempts, row.timeout_ms, row.lease_ms, row.backoff_ms)
        return NewTask(
            row.name, row.arguments, row.settles_at - row.created_at - reserve, row.timeout_ms, row.lease_ms,
            row.backoff_ms, row.max_attempts, reserve, f"retry of {row.id}", row.owner, row.id,
            None, row.lane, row.lane_places, row.lane_gap_us,
        )  # fmt: skip

    # -- reading; whoever looks, settles

    def settle_overdue(self, rows: Sequence[Snapshot]) -> int:
        """Settle these, which are overdue or whose worker is lost, or put them back; return how many."""
        self._journal.adopt(self._write_adopted)  # how it ended may be known already
        return self._write_expiry(rows)

    def get(self, task_id: str) -> Snapshot:
        """Return the task as it stands, settled first if it is overdue or its worker is dead.

        Raises ``BadTaskId``, ``TaskNotFound``, ``TaskPruned`` or ``LedgerUnavailable``. When the
        ledger cannot be written, a task past its bound still answers ``failed``: that verdict
        follows from the row and the clock alone, and no later write can contradict it.
        """
        row = self._read(task_id)
        if not self.due(row):
            return row
        if time.monotonic() >= self._away_until:
            try:
                self._journal.adopt(self._write_adopted)  # how it ended may be known already
                self._write_expiry([row] if row.overdue else [])
                if not row.overdue:
                    self.expire()
                return self._read(task_id)
            except LedgerUnavailable:
                self._away_until = time.monotonic() + READ_PATIENCE  # a thousand pages must not try one after the other
                row = self._read(task_id)  # time has passed, and another process may have had better luck
        if row.settled or row.settles_at > row.as_of or not self.store.quiet(row.settles_at):
            return row
        row = self._read(task_id)  # nothing that was begun in time can arrive after this look
        if row.settled:
            return row
        return verdicts.applied(row, verdicts.of_expiry(row, self._workers_or_none()))

    async def aget(self, task_id: str) -> Snapshot:
        """The same, on an event loop: a read of microseconds inline, an expiry in a thread."""
        if self.store.inline:
            row = self._read(task_id)
        else:
            found = await self._looked_for(task_id)
            row = await asyncio.to_thread(self._read, task_id) if found is None else found
        return await asyncio.to_thread(self.get, task_id) if self.due(row) else row

    async def aread(self, verb: Callable[..., Any], *args: Any) -> Any:
        """Call one of the store's verbs that read, on an event loop."""
        return verb(*args) if self.store.inline else await self._reader.call(verb, *args)

    def list(
        self, *, status: str | None = None, name: str | None = None, reason: str | None = None,
        limit: int = 100, before: str | None = None,
    ) -> Rows:  # fmt: skip
        """Return tasks that match, newest first; ``before`` is the last id of the page before."""
        return self.store.select(status, name, reason, before, limit)

    def counts(self) -> dict[str, int]:
        """How many tasks there are by status and by reason of failure, and how many late writes were refused."""
        counts: Counter[str] = Counter(dict.fromkeys(Status, 0))
        for (status, reason), count in self.store.counts().items():
            counts[status] += count
            if reason is not None:
                counts[reason] += count
        return {**counts, "refused": self.store.pulse().refused}

    def workers(self) -> Workers:
        """Every worker that has a row, dead ones too until their tasks are settled."""
        return self.store.workers()

    # -- expiry

    @property
    def retention(self) -> float:
        """Seconds for which settled tasks are kept: as given, else as the application told the ledger."""
        return self.store.pulse().retention_ms / 1000 if self._retention is None else self._retention

    def expire(self, *, thoroughly: bool = False) -> int:
        """Settle (or put back for another attempt) what is overdue or whose worker is lost; return how many.

        ``thoroughly`` looks through all running rows also when no worker was lost just now.
        """
        self._writer.end_stalled_waits()
        self._journal.adopt(self._write_adopted)  # before their worker is declared lost
        lost = self.membership.lose_the_dead()
        rows = self.store.overdue(SWEEP_LIMIT)
        if lost or thoroughly:
            overdue = {row.id for row in rows}
            rows += [row for row in self.store.orphans(SWEEP_LIMIT) if row.id not in overdue]
        settled = self._write_expiry(rows)
        if lost and len(rows) < SWEEP_LIMIT:
            for worker, gone in zip(lost, self._writer.write_all("dismiss", lost, READ_PATIENCE), strict=True):
                if gone:
                    self.store.release(worker)
        return settled

    def next_deadline_in(self) -> float | None:
        """Seconds until the soonest deadline of any open task; None if nothing is open."""
        deadline = self.store.next_deadline()
        return None if deadline is None else max(0, deadline - self.store.now()) / 1000

    def prune(self, older_than: float | None = None, limit: int = 1_000) -> int:
        """Delete settled tasks created and finished longer ago than the retention (seconds); return how many."""
        age = self.retention if older_than is None else older_than
        total = 0
        while True:
            pruned: int = self._writer.write_all("prune", [Prune(round(age * 1000), limit)], SUBMIT_PATIENCE)[0]
            total += pruned
            if pruned < limit:
                return total

    def forget(self, limit: int = 1_000) -> int:
        """Delete keys of latest values that were not refreshed for as long as they are kept; return how many."""
        total = 0
        while True:
            gone: int = self._writer.write_all("forget", [limit], SUBMIT_PATIENCE)[0]
            total += gone
            if gone < limit:
                return total

    # -- the inside

    def _remember_retention(self) -> None:
        if self._retention is not None and self.store.pulse().retention_ms != round(self._retention * 1000):
            self._writer.write_all("retain", [round(self._retention * 1000)], READ_PATIENCE)

    async def _looked_for(self, task_id: str) -> Snapshot | None:
        try:
            return await self._reader.task(task_id)
        except RowRefused:
            return None  # what it is instead of an id is said by a closer look

    def _read(self, task_id: str) -> Snapshot:
        try:
            found = self.store.read([task_id])
        except RowRefused:
            created_ms(task_id)  # no text that a database can look for is an id
            raise
        if found:
            return found[0]
        age, retention = (self.store.now() - created_ms(task_id)) / 1000, self.retention
        if age > retention:
            raise TaskPruned(
                f"Task {task_id} is older than the {retention / 86_400:g} days that tasks are kept; "
                "if it existed, it settled and was deleted."
            )
        raise TaskNotFound(
            f"No task has the id {task_id}. Check the id, and that this is the ledger that it was submitted to."
        )

    def due(self, row: Snapshot) -> bool:
        """Whether an open task is overdue, or its worker is known to be dead: ``get`` settles it first."""
        if row.settled:
            return False
        foreign = row.status is Status.RUNNING and row.worker is not None and row.worker != self.worker
        return row.overdue or (foreign and self.store.gone(str(row.worker)))

    def _write_adopted(self, found: Sequence[Verdict]) -> None:
        try:
            self._writer.write_all("settle", found, READ_PATIENCE)
        except LedgerUnavailable:
            raise  # it is away still: another time
        except SettledError as error:
            log.warning("An outcome that a dead process left in its journal cannot be stored: %s", error)

    def _write_expiry(self, rows: Sequence[Snapshot]) -> int:
        if not rows:
            return 0
        workers = self.store.workers()
        found = [verdicts.of_expiry(row, workers) for row in rows]
        return sum(self._writer.write_all("settle", found, READ_PATIENCE))

    def _workers_or_none(self) -> Workers:
        try:
            return self.store.workers()
        except LedgerUnavailable:
            return []


def _same(new: NewTask, row: Snapshot, created: bool) -> tuple[Snapshot, bool]:
    if not created and row.arguments != new.arguments:
        raise KeyConflict(
            f"The idempotency key {new.key!r} was used for task {row.id} with other arguments. Nothing was submitted. "
            "Use a new key for a new request."
        )
    return row, created
