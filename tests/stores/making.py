"""Rows for tests: what is not said is the same everywhere, and small enough to reckon with in one's head."""

from __future__ import annotations

from typing import Any

from settled.policy import Policy, ms
from settled.records import NewTask, Snapshot, Verdict, WorkerRow
from settled.states import Reason, Status

POLICY = Policy(timeout=10, start_timeout=20, attempts=3, backoff=1, lease=5)
WITHIN_MS = 20_000 + 3 * (10_000 + 5_000) + 1_000 + 2_000
"""What POLICY's ``settles_at`` lies after the creation."""


def new_task(name: str = "work", policy: Policy = POLICY, **changes: Any) -> NewTask:
    return NewTask(
        name,
        changes.pop("arguments", '{"args":[],"kwargs":{}}'),
        ms(policy.start_timeout),
        ms(policy.timeout),
        ms(policy.lease),
        ms(policy.backoff),
        policy.attempts,
        policy.reserve_ms(0),
        **changes,
    )


def worker_row(worker: str, *, names: str = '["work"]', lease_ms: int = 5_000, engine: str | None = None) -> WorkerRow:
    return WorkerRow(worker, "host", 1, names, 0, 0, lease_ms, None, engine, None, 0)


def success(row: Snapshot, result: str = '"done"') -> Verdict:
    return Verdict(row.id, row.attempt, Status.COMPLETED, result, seen=row.status)


def failure(row: Snapshot, reason: Reason = Reason.EXCEPTION, message: str = "It broke.", **changes: Any) -> Verdict:
    return Verdict(row.id, row.attempt, Status.FAILED, None, reason, message, seen=row.status, **changes)


def put_back(row: Snapshot, due_at: int, deadline_at: int, message: str = "exception: It broke.") -> Verdict:
    return Verdict(
        row.id,
        row.attempt,
        Status.PENDING,
        None,
        None,
        message,
        seen=row.status,
        due_at=due_at,
        deadline_at=deadline_at,
    )
