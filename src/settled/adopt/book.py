"""Writes down, in the process where it happens, what becomes of tasks that another system runs.

Nothing here stops code. An attempt whose claim was refused runs all the same, for it is not ours, and what it
comes to is refused and counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from enum import Enum

from settled import verdicts
from settled.errors import BadTaskId, KeyConflict, LedgerUnavailable, TaskNotFound
from settled.ledger import Ledger
from settled.policy import ms
from settled.records import NewTask, Snapshot, Verdict
from settled.runner.attempt import verdict_of
from settled.runner.outcome import Outcome
from settled.states import Reason, Status
from settled.stores.base import Progress
from settled.tasks import Tasks

log = logging.getLogger("settled")
TRIES = 3
"""To claim what ought to be claimable, and to close what moves on meanwhile."""
PATIENCE = 3
"""Looks at a ledger that is away, a second apart, before an attempt begins unclaimed; once it was away, one."""
AWAY = 30.0
"""Seconds for which a ledger that was away is not waited for again: what is adopted must not be held up."""
WRITTEN_WITHIN = 10.0
"""Seconds that an attempt's end waits to be written; it stays queued beyond."""


_Key = tuple[str, int]


class Begun(Enum):
    """What became of the claim of an attempt."""

    CLAIMED = "it is the task's attempt"
    REFUSED = "the task has settled, or another worker has it: what this one comes to is refused"
    CANCELLED = "the task was cancelled: it ought not to run"
    UNSEEN = "it could not be claimed now: that is tried again at its end"


class Book:
    """The ledger, for the attempts of this process."""

    def __init__(self, tasks: Tasks, engine: str) -> None:
        self._tasks = tasks
        self._engine = engine
        # By task and thread: a retry may begin in another thread before the attempt that asked for it has ended.
        self._running: dict[_Key, Snapshot] = {}
        self._refused: dict[_Key, Snapshot] = {}
        self._away_until = 0.0
        self._pause = threading.Event()  # never set: it is only waited for

    @property
    def _ledger(self) -> Ledger:
        return self._tasks.ledger

    def enter(self, new: NewTask) -> tuple[Snapshot, bool]:
        """Have a row for a call that is about to be published; False if it is there already."""
        try:
            return self._ledger.add(new)
        except KeyConflict:  # the same id with other arguments is the same task
            return self._ledger.get(str(new.id)), False

    def runs(self, task_id: str) -> bool:
        """Whether this thread has begun an attempt at it, which has not ended."""
        return _key(task_id) in self._running or _key(task_id) in self._refused

    def begin(self, new: NewTask, names: Collection[str]) -> Begun:
        """Claim the attempt that is about to run; its row is made if whoever published it has made none."""
        away = tries = 0
        patience = 1 if time.monotonic() < self._away_until else PATIENCE
        while tries < TRIES and away < patience:
            try:
                self._tasks.enlist(names, self._engine)
                begun = self._claim(new, unsure=away > 0)
                if begun is not None:
                    return begun
                tries += 1
                self._ledger.membership.beat()  # if this process was frozen and declared lost, it enlists anew
            except LedgerUnavailable as error:
                away += 1
                if away < patience:
                    self._pause.wait(1.0)
                elif patience > 1:
                    self._away_until = time.monotonic() + AWAY
                    log.warning("Tasks run unseen, for the ledger is away; their ends are written later: %s", error)
        return Begun.UNSEEN

    def _claim(self, new: NewTask, *, unsure: bool) -> Begun | None:
        task_id, worker = str(new.id), self._ledger.worker
        if worker is None:
            return None
        row = self._row(task_id) or self.enter(new._replace(worker=worker))[0]
        if row.status is Status.PENDING:
            row = next(iter(self._ledger.claim(worker, [row.name], 1, task_id)), row)
            mine = row.status is Status.RUNNING
        else:
            born_here = row.created_at == row.as_of
            mine = row.status is Status.RUNNING and row.worker == worker and (born_here or unsure)
        if mine and not any(id_ == task_id for id_, _ in list(self._running)):
            self._running[_key(task_id)] = row
            return Begun.CLAIMED
        if row.status is Status.PENDING:
            return None
        self._refused[_key(task_id)] = row
        return Begun.CANCELLED if row.reason is Reason.CANCELLED else Begun.REFUSED

    def put_back(self, task_id: str, pause: float, start_timeout: float, outcome: Outcome) -> bool:
        """The attempt asks for another one, which is about to be published; False if it cannot have one.

        Raises ``LedgerUnavailable``.
        """
        row = self._running.pop(_key(task_id), None)
        if row is None:
            return False
        now = self._ledger.store.now()
        may = now + round(pause * 1000) < row.settles_at and row.attempt < row.max_attempts
        if not may:
            why = (
                f"Attempt {row.attempt} of {row.max_attempts} asked for another in {pause:g} s, which its bound does "
                f"not allow. Give the task more attempts, or more time. It ended with: {outcome.message}"
            )
            self._write(row, outcome._replace(message=why))
            return False
        message = f"{outcome.reason}: {outcome.message}"
        deadline = min(now + ms(start_timeout), row.settles_at)
        back = Verdict(
            row.id, row.attempt, Status.PENDING, None, None, message, outcome.error_type, outcome.traceback,
            Status.RUNNING, now, deadline, False, row,
        )  # fmt: skip
        return self._ledger.settle_now(back)

    def end(self, new: NewTask, outcome: Outcome, names: Collection[str], note: str = "") -> Snapshot | None:
        """Write how the attempt ended; return its row, or None if nothing of it could win."""
        task_id = str(new.id)
        if not self.runs(task_id):
            self.begin(new, names)
        late = self._refused.pop(_key(task_id), None)
        row = self._running.pop(_key(task_id), None)
        if late is not None:  # there is no such attempt, so this is refused and counted
            self._ledger.settle(Verdict(task_id, late.max_attempts + 1, Status.COMPLETED, "null", row=late))
        if row is None:
            return None
        if note:
            noted: Future[bool] = Future()
            self._ledger.record_progress(Progress(row.id, row.attempt, 1.0, note), noted)
            wait([noted], timeout=WRITTEN_WITHIN)  # of one commit the end would be written first
        self._write(row, outcome)
        return row

    def forget(self, task_id: str) -> bool:
        """An attempt leaves without an outcome of its own; whether it was claimed."""
        self._refused.pop(_key(task_id), None)
        return self._running.pop(_key(task_id), None) is not None

    def close(self, ids: Iterable[str], outcome: Outcome) -> None:
        """Settle tasks as failed that will not run; by their bounds at the latest, if the ledger is away."""
        try:
            for task_id in ids:
                close(self._ledger, task_id, outcome)
        except LedgerUnavailable as error:
            log.warning("Tasks that will not run settle only by their bounds: %s", error)

    def _write(self, row: Snapshot, outcome: Outcome) -> None:
        written: Future[bool] = Future()
        self._ledger.settle(verdict_of(row, outcome, self._ledger.store.now), written)
        try:
            written.result(timeout=WRITTEN_WITHIN)
        except FutureTimeout:
            log.warning("The end of task %s waits for the ledger.", row.id)

    def _row(self, task_id: str) -> Snapshot | None:
        try:
            return self._ledger.get(task_id)
        except (TaskNotFound, BadTaskId):
            return None


def _key(task_id: str) -> _Key:
    return task_id, threading.get_ident()


def close(ledger: Ledger, task_id: str, outcome: Outcome) -> None:
    """Settle an adopted task as failed, unless it has settled or has no row."""
    assert outcome.reason is not None
    for _ in range(TRIES):
        try:
            row = ledger.get(task_id)
        except (TaskNotFound, BadTaskId):
            return
        if row.settled or ledger.settle_now(
            verdicts.of_attempt(row, outcome.reason, outcome.message or "", error_type=outcome.error_type, retry=False)
        ):
            return
