"""A submitted batch, in the hands of the one who submitted it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import Any

from settled import ledger_batches, waiter
from settled.ledger import Ledger
from settled.records import BatchEnding, BatchSnapshot, Ending, Failure, Snapshot
from settled.states import End, Status
from settled.task import Task

SETTLE = 0.05
"""Seconds that a wait on an event loop lets go by between two looks, however often it is rung."""


class Batch:
    """Many submitted calls. ``batch.wait()`` on a thread, ``await batch`` on an event loop; both always end."""

    __slots__ = ("_failures", "_ledger", "_rows", "snapshot")

    def __init__(self, ledger: Ledger, snapshot: BatchSnapshot, rows: list[Snapshot] | None = None) -> None:
        self._ledger = ledger
        self._rows = rows
        self._failures: tuple[Failure, ...] = ()
        self.snapshot = snapshot

    @property
    def id(self) -> str:
        """The batch's id, which cannot be guessed."""
        return self.snapshot.id

    @property
    def tasks(self) -> list[Task]:
        """Its tasks in the order submitted: as they were at the submit, or after a wait as they ended."""
        if self._rows is None:
            self._rows = ledger_batches.all_tasks(self._ledger, self.id)
        return [Task(self._ledger, row) for row in self._rows]

    @property
    def failures(self) -> list[Failure]:
        """Why tasks of it failed, and how many: grouped by reason and message, the most frequent first."""
        return ledger_batches.failures(self._ledger, self.id)

    def refresh(self) -> BatchSnapshot:
        """Look again, and return the batch as it stands."""
        self._rows = None
        self.snapshot = ledger_batches.get(self._ledger, self.id)
        return self.snapshot

    def wait(self, timeout: float | None = None) -> BatchEnding:
        """Wait until all of its tasks have settled; with a ``timeout`` (seconds), end as ``aborted`` sooner."""
        return self._ended(waiter.wait(self._ledger, self.id, timeout, lambda _: self._look()))

    async def await_(self, timeout: float | None = None) -> BatchEnding:
        """The same, on an event loop."""
        return self._ended(await waiter.await_(self._ledger, self.id, timeout, self._alook))

    def __await__(self) -> Generator[Any, None, BatchEnding]:
        return self.await_().__await__()

    def cancel(self) -> BatchSnapshot:
        """Settle all of its open tasks as failed / cancelled; raise ``NotAllowed`` if it has settled already."""
        self._rows = None
        self.snapshot = ledger_batches.cancel(self._ledger, self.id, "Cancelled on request, with its batch.")
        return self.snapshot

    async def acancel(self) -> BatchSnapshot:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.cancel)

    def _look(self) -> Snapshot:
        found = self.refresh()
        if found.settled and found.failed:
            self._failures = tuple(self.failures)  # read within the look: a wait bears it if the database is away then
        return _as_task(found)

    async def _alook(self, _: str) -> Snapshot:
        """Counting takes a while: in a thread, and not at each of a hundred rings a second."""
        begun = time.monotonic()
        seen = await asyncio.to_thread(self._look)
        if not seen.settled:
            await asyncio.sleep(max(0.0, SETTLE - (time.monotonic() - begun)))
        return seen

    def _ended(self, ending: Ending) -> BatchEnding:
        if ending.end not in (End.COMPLETED, End.FAILED):
            return BatchEnding(ending.end, None if ending.snapshot is None else self.snapshot, (), ending.message)
        return BatchEnding(ending.end, self.snapshot, self._failures, said(self.snapshot, self._failures))

    def __repr__(self) -> str:
        ended = self.snapshot.completed + self.snapshot.failed
        return f"<Batch {self.snapshot.name} {self.id} {ended}/{self.snapshot.total}>"


def said(batch: BatchSnapshot, failures: tuple[Failure, ...]) -> str:
    """What became of a batch, in a line."""
    if not batch.failed:
        return f"All {batch.total:,} tasks completed."
    most = "; ".join(f"{failure.number:,} × {failure.reason}: {failure.message}" for failure in failures[:3])
    return f"{batch.failed:,} of {batch.total:,} tasks failed: {most}{' …' if len(failures) > 3 else ''}"


def _as_task(batch: BatchSnapshot) -> Snapshot:
    """The batch as one task, for the machine of a wait: open while any of its tasks is."""
    status = Status.RUNNING
    if batch.settled:
        status = Status.FAILED if batch.failed else Status.COMPLETED
    return Snapshot(
        batch.id, batch.name, status, None, None, None, None, None, "", None, batch.owner, None, None, 1, 1, 0, 0, 0,
        batch.created_at, batch.created_at, batch.finished_at, 0, batch.settles_at, batch.settles_at, None, None, None,
        None, None, None, None, None, batch.as_of,
    )  # fmt: skip
