"""Batches on a ledger: whoever looks at one settles what is overdue in it first, as with a single task.

A batch has no row of its own. It is the set of tasks that carry its id, so there is nothing that could disagree.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from settled import verdicts
from settled.errors import LedgerUnavailable, NotAllowed, TaskNotFound, TaskPruned
from settled.ids import created_ms
from settled.ledger import Ledger
from settled.records import BatchSnapshot, Failure, NewTask, Snapshot
from settled.states import Reason, Status

AT_ONCE = 2_000
"""Tasks of a batch that are settled in one go."""
MOST_FAILURES = 20
"""Kinds of failure that are told of; the most frequent ones."""
OVERLAP_MS = 2_000
"""By so much the next look for changes begins before this one's instant: a commit takes a while to be seen."""
_ROUNDS = 200


class Changes(NamedTuple):
    """Tasks of a batch that have changed, where to look from the next time, and whether more have changed by now."""

    rows: list[Snapshot]
    cursor: str
    more: bool


def get(ledger: Ledger, batch: str) -> BatchSnapshot:
    """Return the batch as it stands; raise ``BadTaskId``, ``TaskNotFound``, ``TaskPruned`` or ``LedgerUnavailable``."""
    created_ms(batch)  # what is no id need not be looked for
    away = not _settle_overdue(ledger, batch)
    found = _read(ledger, batch)
    if not away or found.settled or found.settles_at > found.as_of or not ledger.store.quiet(found.settles_at):
        return found
    found = _read(ledger, batch)  # nothing that was begun in time can arrive after this look
    open_ = found.pending + found.running
    return found._replace(pending=0, running=0, failed=found.failed + open_, finished_at=found.settles_at)


def page(ledger: Ledger, batch: str, after: str | None = None, limit: int = 100) -> list[Snapshot]:
    """Return its tasks in the order submitted, behind the one with the id ``after``."""
    return _as_settled(ledger, ledger.store.batches.page(batch, after, limit))


def all_tasks(ledger: Ledger, batch: str) -> list[Snapshot]:
    """Return all of its tasks, in the order submitted."""
    found: list[Snapshot] = []
    while more := page(ledger, batch, found[-1].id if found else None, AT_ONCE):
        found += more
    return found


def changes(ledger: Ledger, batch: str, cursor: str, limit: int = 100) -> Changes:
    """Return tasks that run or have settled since an earlier look gave out the ``cursor``; some more than once.

    A cursor is the instant from which to look, and where at that instant. What is settled comes in the order in which
    it did; what runs comes with the last of it.
    """
    instant, _, after = cursor.partition(".")
    since = int(instant) if instant.isdigit() and len(instant) < 18 else 0
    now = ledger.store.now()
    rows = ledger.store.batches.ended(batch, since, after, limit)
    if len(rows) == limit:
        return Changes(rows, f"{rows[-1].finished_at}.{rows[-1].id}", True)
    begun = _as_settled(ledger, ledger.store.batches.begun(batch, AT_ONCE))
    return Changes(rows + begun, cursor_of(max(since, now)), False)


def begun(ledger: Ledger, batch: str) -> list[Snapshot]:
    """Return its tasks that are running or wait for another attempt, as far as they are worth looking at."""
    return ledger.store.batches.begun(batch, AT_ONCE)


def cursor_of(instant: int) -> str:
    """The cursor of a look at this instant."""
    return str(instant - OVERLAP_MS)


def failures(ledger: Ledger, batch: str, limit: int = MOST_FAILURES) -> list[Failure]:
    """Why its tasks failed, grouped by reason and message; the most frequent first."""
    found = ledger.store.batches.failures(batch, limit)
    return [Failure(Reason(reason), message, count, kind) for reason, message, kind, count in found]


def cancel(ledger: Ledger, batch: str, message: str) -> BatchSnapshot:
    """Settle all of its open tasks as failed / cancelled; raise ``NotAllowed`` if it has settled already."""
    found = get(ledger, batch)
    if found.settled:
        raise NotAllowed("The batch has already settled; what has settled never changes.")
    for _ in range(_ROUNDS):  # one that moves on between the read and the write is met again
        rows = ledger.store.batches.open(batch, AT_ONCE)
        if not rows:
            break
        won = ledger.settle_all([verdicts.of_attempt(row, Reason.CANCELLED, message) for row in rows])
        for row, settled in zip(rows, won, strict=True):
            if settled:
                ledger.cancelled(row)
    return get(ledger, batch)


def again(ledger: Ledger, batch: str, anew: str) -> list[NewTask]:
    """The new tasks, in a batch with the id ``anew``, that a retry of its failed ones submits."""
    found = get(ledger, batch)
    if not found.settled:
        raise NotAllowed(
            "The batch has not settled yet, so which of its tasks fail is not known. Cancel it first, or wait."
        )
    rows: list[Snapshot] = []
    while more := ledger.store.batches.failed(batch, rows[-1].id if rows else None, AT_ONCE):
        rows += more
    if not rows:
        raise NotAllowed("None of the batch's tasks has failed, so there is nothing to try again.")
    news = [ledger.again(row)._replace(batch=anew, key=None) for row in rows]
    return [news[0]._replace(key=f"retry of batch {batch}"), *news[1:]]


def _settle_overdue(ledger: Ledger, batch: str) -> bool:
    """Settle what is overdue in it, or whose worker is dead; False if that cannot be written now."""
    store = ledger.store
    try:
        until = time.monotonic() + 10.0
        while (rows := store.batches.overdue(batch, AT_ONCE)) and time.monotonic() < until:
            ledger.settle_overdue(rows)
        if any(worker != ledger.worker and store.gone(worker) for worker in store.batches.workers(batch)):
            ledger.expire()
    except LedgerUnavailable:
        return False
    return True


def _read(ledger: Ledger, batch: str) -> BatchSnapshot:
    states = ledger.store.batches.states(batch)
    if not states:
        raise _missing(ledger, batch)
    first = states[0]
    counts = {state.status: state.number for state in states}
    ends = [state.finished_at for state in states if state.finished_at is not None]
    open_ = [state.settles_at for state in states if state.status in (Status.PENDING, Status.RUNNING)]
    settled = not open_
    return BatchSnapshot(
        batch, first.name, first.owner, counts.get("pending", 0), counts.get("running", 0),
        counts.get("completed", 0), counts.get("failed", 0), first.created_at,
        max(ends, default=first.settles_at) if settled else None,
        max(open_ or [state.settles_at for state in states]), first.now,
    )  # fmt: skip


def _missing(ledger: Ledger, batch: str) -> TaskNotFound:
    age, retention = (ledger.store.now() - created_ms(batch)) / 1000, ledger.retention
    if age > retention:
        return TaskPruned(
            f"Batch {batch} is older than the {retention / 86_400:g} days that tasks are kept; if it existed, it "
            "settled and was deleted."
        )
    return TaskNotFound(
        f"No batch has the id {batch}. Check the id, and that this is the ledger that it was submitted to."
    )


def _as_settled(ledger: Ledger, rows: Sequence[Snapshot]) -> list[Snapshot]:
    """The same, those past their bound as they will be: what cannot be written now must not look open."""
    bounds = [row.settles_at for row in rows if not row.settled and row.settles_at <= row.as_of]
    if not bounds or not ledger.store.quiet(max(bounds)):
        return list(rows)
    fresh = {row.id: row for row in ledger.store.read([row.id for row in rows if not row.settled])}
    rows = [fresh.get(row.id, row) for row in rows]
    return [
        verdicts.applied(row, verdicts.of_expiry(row, [])) if not row.settled and row.settles_at <= row.as_of else row
        for row in rows
    ]
