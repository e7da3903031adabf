"""Between the rows of a database and the records of the ledger: what is the same in every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from settled.ids import new_ids
from settled.records import LatestRow, NewTask, Snapshot
from settled.states import Reason, Status
from settled.stores.base import EXPIRY_MARGIN_MS

_STATUS = {str(status): status for status in Status}
_REASON: dict[str | None, Reason | None] = {None: None, **{str(reason): reason for reason in Reason}}


def snapshot_of(row: Sequence[Any], now: int) -> Snapshot:
    """The one place that turns a row of ``task_results`` into a record."""
    reason = _REASON[row[5]]
    if reason is None and row[2] == "failed":
        reason = Reason.EXCEPTION  # failed by hand, with a message alone
    return Snapshot._make((row[0], row[1], _STATUS[row[2]], row[3], row[4], reason, *row[6:], now))


def latest_of(row: Sequence[Any], now: int) -> LatestRow:
    """The same for ``task_latest``."""
    return LatestRow._make((*row[:11], bool(row[11]), *row[12:], now))


def born_at(now: int, rows: Sequence[NewTask]) -> list[Snapshot]:
    """New tasks' first snapshots, under ids of that instant where they bring none."""
    ids = new_ids(now, len(rows))
    return [born(row, row.id or task_id, now) for row, task_id in zip(rows, ids, strict=True)]


def born(row: NewTask, task_id: str, now: int) -> Snapshot:
    """A new task's first snapshot: its id, its bound, and its claim if it is born running."""
    settles_at = now + row.start_timeout_ms + row.reserve_ms
    running = row.worker is not None
    deadline = min(now + row.timeout_ms + EXPIRY_MARGIN_MS, settles_at) if running else settles_at - row.reserve_ms
    return Snapshot(
        task_id, row.name, Status.RUNNING if running else Status.PENDING, None, None, None, None, None,
        row.arguments, row.key, row.owner, None, None, 1 if running else 0, row.max_attempts, row.timeout_ms,
        row.lease_ms, row.backoff_ms, now, now if running else None, None, now, deadline, settles_at, row.worker,
        row.retry_of, None, row.batch, row.lane, row.lane_places, row.lane_gap_us, row.latest, now,
    )  # fmt: skip
