"""Runs, in a worker of another engine, what that engine brings: one task a call, each through the one gate.

It is the embedded engine without its looking for work. So a task meets the same isolations, limits, progress and
cancellation wherever it runs, and a worker of Celery is a worker like any other to whoever looks at the ledger.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from settled.engines.embedded import STOPPING, EmbeddedEngine, Registered
from settled.errors import BadTaskId, LedgerUnavailable, TaskNotFound
from settled.ledger import Inserted, Ledger
from settled.post import Post
from settled.records import NewTask, Snapshot, Verdict
from settled.runner.attempt import Attempt
from settled.states import Status

log = logging.getLogger("settled")
PATIENCE = 10.0
"""Seconds for which a task that was brought here waits for a ledger that is away; later it is published again."""
TRIES = 3
"""To claim what ought to be claimable."""
WRITTEN_WITHIN = 10.0
"""Seconds that a carried task's end waits to be written before the engine's thread is freed; it stays queued beyond."""


class _Carried:
    """An attempt that an engine's thread waits for."""

    __slots__ = ("left", "settled", "written")

    def __init__(self) -> None:
        self.left: Future[None] = Future()
        self.settled = False  # there is a verdict; none for what was cancelled or expired by others
        self.written: Future[bool] = Future()


class Bench(EmbeddedEngine):
    """Runs what it is brought, on the loop that starts it."""

    def __init__(self, ledger: Ledger, functions: Mapping[str, Registered], places: Mapping[str, int]) -> None:
        super().__init__(ledger, functions, places)
        self._carried: dict[tuple[str, int], _Carried] = {}
        self._publish = ledger.inserted
        self._pause = threading.Event()  # never set: it is only waited for

    def carry(self, task_id: str) -> None:
        """Claim the task and run the attempt; return when its work has left and its verdict is written.

        A message for a task that has settled, runs elsewhere or is not known is dropped.
        """
        row = self._taken(task_id)
        if row is None:
            return
        key = row.id, row.attempt
        carried = _Carried()
        if self._carried.setdefault(key, carried) is not carried:
            return
        grace = self._functions[row.name].function.kill_grace
        size = self._functions[row.name].function.group
        if size:
            self._on_loop(self._launch_together, [row, *self._others(row, size - 1)])
        else:
            self._on_loop(self._launch, row)
        try:
            carried.left.result(timeout=row.timeout_ms / 1000 + grace + STOPPING + WRITTEN_WITHIN)
            carried.written.result(timeout=WRITTEN_WITHIN)
        except FutureTimeout:
            log.warning(
                "Attempt %d of task %s has not left its worker in time; its row settles all the same", *key[::-1]
            )
        finally:
            self._carried.pop(key, None)

    # -- the embedded engine, without what only an engine of its own does

    def before_insert(self, new: NewTask) -> NewTask:
        return new

    def inserted(self, rows: Sequence[Inserted], post: Post) -> None:
        self._publish(rows, post)

    def settle(self, verdict: Verdict) -> None:
        carried = self._carried.get((verdict.id, verdict.attempt))
        if carried is None:
            self._ledger.settle(verdict)
        else:
            carried.settled = True
            self._ledger.settle(verdict, carried.written)

    def left(self, attempt: Attempt) -> None:
        super().left(attempt)
        carried = self._carried.get((attempt.row.id, attempt.row.attempt))
        if carried is not None:
            if not carried.settled:
                carried.written.set_result(False)
            carried.left.set_result(None)

    async def _claim(self) -> None:
        """Nothing is looked for: what is due is brought."""

    # -- the gate

    def _taken(self, task_id: str) -> Snapshot | None:
        until = time.monotonic() + PATIENCE
        refused, unsure = 0, False
        while self._accepting and refused < TRIES:
            try:
                worker = self._ledger.worker
                claimed = self._ledger.claim(worker, list(self._functions), 1, task_id) if worker else []
                if claimed:
                    return claimed[0]
                row = self._row(task_id)
                if unsure and row is not None and row.status is Status.RUNNING and row.worker == worker:
                    return row  # a claim was written though its answer was lost
                if row is None or not self._is_to_be_run(row):
                    return None
                if row.lane is not None:
                    return None  # its lane is full: it is published again
                refused += 1
                self._ledger.beat()  # if this process was frozen and declared lost, it enlists anew
            except LedgerUnavailable as error:
                unsure = True
                if time.monotonic() > until:
                    log.warning("Task %s could not be claimed, and is published again later: %s", task_id, error)
                    return None
                self._pause.wait(1.0)
        return None

    def _others(self, row: Snapshot, number: int) -> Sequence[Snapshot]:
        """What waits to be run in one call with it; a message for one of these comes too late, and is dropped."""
        if not number or row.lane is not None:
            return []
        try:
            rows = self._ledger.claim(str(self._ledger.worker), [row.name], number)
        except LedgerUnavailable:
            return []
        for other in rows:
            if other.timeout_ms != row.timeout_ms:
                self._on_loop(self._launch_together, [other])
        return [other for other in rows if other.timeout_ms == row.timeout_ms]

    def _row(self, task_id: str) -> Snapshot | None:
        try:
            return self._ledger.get(task_id)
        except (TaskNotFound, BadTaskId):
            return None

    def _is_to_be_run(self, row: Snapshot) -> bool:
        return row.status is Status.PENDING and row.due_at <= row.as_of and row.name in self._functions
