"""The façade's verbs for batches: submit many calls in one commit, look, cancel, try the failed ones again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from settled import ledger_batches
from settled.batch import Batch
from settled.errors import BadInput, KeyConflict
from settled.ids import new_id
from settled.ledger import Ledger
from settled.records import BatchSnapshot, NewTask, Snapshot
from settled.states import Status

MOST_TASKS = 100_000
"""Of one batch: it is written in one commit, and whatever else this process writes waits meanwhile."""


class Batches:
    """What ``Tasks`` can do with batches."""

    ledger: Ledger
    closing: bool

    def _running(self) -> None:
        """Have this process run tasks, if it is to."""

    def submit_batch(self, news: Sequence[NewTask]) -> Batch:
        """Create the tasks of a batch that are made already, in one commit; ``submit_many`` does this."""
        self._running()
        news = _named(self.ledger, news)
        return _batch(self.ledger, news, self.ledger.add_batch(news))

    async def asubmit_batch(self, news: Sequence[NewTask]) -> Batch:
        """The same, on an event loop."""
        await asyncio.to_thread(self._running)
        ledger = self.ledger
        news = _named(ledger, news)
        rows = await ledger.aadd_batch(news)
        if rows[0].batch == news[0].batch:
            return _batch(ledger, news, rows)
        return await asyncio.to_thread(_batch, ledger, news, rows)

    def batch(self, batch_id: str) -> Batch:
        """A batch as it stands; raises ``BadTaskId``, ``TaskNotFound``, ``TaskPruned`` or ``LedgerUnavailable``."""
        return Batch(self.ledger, ledger_batches.get(self.ledger, batch_id))

    async def abatch(self, batch_id: str) -> Batch:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.batch, batch_id)

    async def batch_changed(self, since: BatchSnapshot, timeout: float) -> BatchSnapshot:
        """The batch at its next change (counted from ``since``), or as it is after ``timeout`` s or at shutdown."""
        until = time.monotonic() + timeout
        ear = self.ledger.bell.listen(since.id, asyncio.get_running_loop())
        try:
            while True:
                found = await asyncio.to_thread(ledger_batches.get, self.ledger, since.id)
                left = until - time.monotonic()
                if found.settled or found.counts != since.counts or left <= 0 or self.closing:
                    return found
                await ear.await_(min(left, found.settles_in + 0.05))
                ear.forget()
        finally:
            self.ledger.bell.stop(ear)

    def cancel_batch(self, batch_id: str) -> BatchSnapshot:
        """Settle all of its open tasks as failed / cancelled; raise ``NotAllowed`` if it has settled already."""
        return self.batch(batch_id).cancel()

    async def acancel_batch(self, batch_id: str) -> BatchSnapshot:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.cancel_batch, batch_id)

    def retry_batch(self, batch_id: str) -> Batch:
        """Submit the calls of its failed tasks again as a new batch; the same new one, however often it is asked."""
        return self.submit_batch(ledger_batches.again(self.ledger, batch_id, new_id(self.ledger.store.now())))

    async def aretry_batch(self, batch_id: str) -> Batch:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.retry_batch, batch_id)


def _named(ledger: Ledger, news: Sequence[NewTask]) -> list[NewTask]:
    """The same as one batch, under an id; raise ``BadInput`` for none, or for too many."""
    if not 0 < len(news) <= MOST_TASKS:
        what = "no items" if not news else f"{len(news):,} items"
        raise BadInput(f"A batch of {what} is not possible: give 1 to {MOST_TASKS:,}. Nothing was submitted.")
    batch = news[0].batch or new_id(ledger.store.now())
    return [new._replace(batch=batch, key=None if place else new.key) for place, new in enumerate(news)]


def _batch(ledger: Ledger, news: Sequence[NewTask], rows: list[Snapshot]) -> Batch:
    """The handle of what was created; or of what the key of the first names, if that is the same."""
    first = rows[0]
    if first.batch != news[0].batch:
        rows = ledger_batches.all_tasks(ledger, first.batch) if first.batch else [first]
        if [row.arguments for row in rows] != [new.arguments for new in news] or first.batch is None:
            raise KeyConflict(
                f"The idempotency key {news[0].key!r} was used before, with other items. Nothing was submitted. Use a "
                "new key for a new request."
            )
        return Batch(ledger, ledger_batches.get(ledger, first.batch), rows)
    pending = sum(row.status is Status.PENDING for row in rows)
    snapshot = BatchSnapshot(
        str(first.batch), first.name, first.owner, pending, len(rows) - pending, 0, 0, first.created_at, None,
        first.settles_at, first.as_of,
    )  # fmt: skip
    return Batch(ledger, snapshot, rows)
