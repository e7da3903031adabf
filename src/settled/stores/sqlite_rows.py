"""The values that the statements of SQLite take, in their order."""

from __future__ import annotations

from typing import Any

from settled.records import Snapshot, Verdict

COMPLETED = "(?, ?, ?, 'completed', ?, NULL, NULL, NULL, NULL, 0)"
"""A success as a row of the settle statement: what is always the same is not bound again and again."""


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
