"""Between the rows of SQLite and the records of the ledger: the one place that knows their columns."""

from __future__ import annotations

from typing import Any

from settled.records import NewTask, Snapshot, Verdict
from settled.states import Reason, Status
from settled.stores.base import EXPIRY_MARGIN_MS

COMPLETED = "(?, ?, ?, 'completed', ?, NULL, NULL, NULL, NULL, 0)"
"""A success as a row of the settle statement: what is always the same is not bound again and again."""
_STATUS = {str(status): status for status in Status}
_REASON: dict[str | None, Reason | None] = {None: None, **{str(reason): reason for reason in Reason}}


def snapshot_of(row: tuple[Any, ...], now: int) -> Snapshot:
    """The one place that turns a row of SQLite into a record."""
    reason = _REASON[row[5]]
    if reason is None and row[2] == "failed":
        reason = Reason.EXCEPTION  # failed by hand, with a message alone
    return Snapshot._make((row[0], row[1], _STATUS[row[2]], row[3], row[4], reason, *row[6:], now))


def born(row: NewTask, task_id: str, now: int) -> Snapshot:
    """A new task's first snapshot: its id, its bound, and its claim if it is born running."""
    settles_at = now + row.start_timeout_ms + row.reserve_ms
    running = row.worker is not None
    deadline = min(now + row.timeout_ms + EXPIRY_MARGIN_MS, settles_at) if running else settles_at - row.reserve_ms
    return Snapshot(
        task_id, row.name, Status.RUNNING if running else Status.PENDING, None, None, None, None, None,
        row.arguments, row.key, row.owner, None, None, 1 if running else 0, row.max_attempts, row.timeout_ms,
        row.lease_ms, row.backoff_ms, now, now if running else None, None, now, deadline, settles_at, row.worker,
        row.retry_of, None, now,
    )  # fmt: skip


def of_new(s: Snapshot) -> tuple[Any, ...]:
    """The values of an inserted row, in the order of ``insert_tasks``."""
    return (
        s.id, str(s.status), s.name, s.arguments, s.key, s.owner, s.attempt, s.max_attempts, s.timeout_ms, s.lease_ms,
        s.backoff_ms, s.created_at, s.started_at, s.due_at, s.deadline_at, s.settles_at, s.worker, s.retry_of,
    )  # fmt: skip


def of_failure(v: Verdict) -> tuple[Any, ...]:
    """The values of a failure, in the order of ``settle``."""
    return (
        v.id,
        v.attempt,
        str(v.seen),
        "failed",
        None,
        str(v.reason),
        v.error_message,
        v.error_type,
        v.traceback,
        int(v.expiry),
    )


def of_return(v: Verdict) -> tuple[Any, ...]:
    """The values of a return to pending, in the order of ``put_back``."""
    return v.id, v.attempt, str(v.seen), v.due_at, v.deadline_at, v.error_message, v.error_type, v.traceback
