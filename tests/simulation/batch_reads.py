"""What can be asked of batches (``stores.base.Batches``), in the database of a make-believe world."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from settled.records import Snapshot
from settled.states import Reason, Status
from settled.stores.base import BatchState

Rows = list[Snapshot]


class BatchReads:
    """Over a way to reach the database's rows, and its clock."""

    def __init__(self, reach: Callable[[], Any], now: Callable[[], int]) -> None:
        self._reach = reach
        self._now = now

    def states(self, batch: str) -> list[BatchState]:
        rows = self._of(batch)
        now = self._now()
        found = []
        for status in Status:
            alike = [row for row in rows if row.status is status]
            ends = [row.finished_at for row in alike if row.finished_at is not None]
            if alike:
                name, owner, created_at = rows[0].name, rows[0].owner, rows[0].created_at
                bound = max(row.settles_at for row in alike)
                number, end = len(alike), max(ends, default=None)
                found.append(BatchState(str(status), number, end, bound, name, owner, created_at, now))
        return found

    def page(self, batch: str, after: str | None, limit: int) -> Rows:
        return self._seen(row for row in self._of(batch) if row.id > (after or ""))[:limit]

    def open(self, batch: str, limit: int) -> Rows:
        return self._seen(row for row in self._of(batch) if not row.settled)[:limit]

    def begun(self, batch: str, limit: int) -> Rows:
        return self._seen(row for row in self._of(batch) if not row.settled and row.attempt)[:limit]

    def ended(self, batch: str, since: int, after: str, limit: int) -> Rows:
        rows = [row for row in self._of(batch) if row.settled and (row.finished_at or 0, row.id) > (since, after)]
        return self._seen(sorted(rows, key=lambda row: (row.finished_at or 0, row.id)))[:limit]

    def failed(self, batch: str, after: str | None, limit: int) -> Rows:
        rows = (row for row in self._of(batch) if row.status is Status.FAILED and row.id > (after or ""))
        return self._seen(rows)[:limit]

    def failures(self, batch: str, limit: int) -> list[tuple[str, str, str | None, int]]:
        kinds = Counter(
            (str(row.reason or Reason.EXCEPTION), row.error_message or "", row.error_type)
            for row in self._of(batch) if row.status is Status.FAILED
        )  # fmt: skip
        found = [(*kind, number) for kind, number in kinds.items()]
        return sorted(found, key=lambda kind: (-kind[3], kind[0], kind[1]))[:limit]

    def overdue(self, batch: str, limit: int) -> Rows:
        now = self._now()
        late = [row for row in self._of(batch) if not row.settled and row.deadline_at <= now]
        return self._seen(sorted(late, key=lambda row: row.deadline_at))[:limit]

    def workers(self, batch: str) -> list[str]:
        return sorted({str(row.worker) for row in self._of(batch) if row.status is Status.RUNNING})

    def marks(self, batches: Sequence[str]) -> dict[str, list[object]]:
        found: dict[str, list[object]] = {}
        for batch in batches:
            counts = Counter(row.status for row in self._of(batch))
            if counts:
                found[batch] = [f"{status}{number}" for status, number in sorted(counts.items())]
        return found

    def _of(self, batch: str) -> Rows:
        return sorted((row for row in self._reach().rows.values() if row.batch == batch), key=lambda row: row.id)

    def _seen(self, rows: Any) -> Rows:
        now = self._now()
        return [row._replace(as_of=now) for row in rows]
