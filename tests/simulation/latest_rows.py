"""The latest values of the database of a make-believe world: ``task_latest``, its history, and its triggers."""

from __future__ import annotations

from typing import Any

from settled.records import Former, LatestRow, Snapshot, Verdict
from settled.states import Reason, Status
from settled.stores.base import Purge, Put, Refresh

Key = tuple[str, str]


class LatestRows:
    """A row for each key, and what it held before, newest first."""

    def __init__(self) -> None:
        self.rows: dict[Key, LatestRow] = {}
        self.formers: dict[Key, list[Former]] = {}

    def copy(self) -> LatestRows:
        """As it is now, to come back to."""
        copied = LatestRows()
        copied.rows = dict(self.rows)
        copied.formers = {key: list(formers) for key, formers in self.formers.items()}
        return copied

    # -- what the statements do

    def start(self, now: int, item: Refresh) -> bool:
        """Name the refresh in its key's row; False where one is open, or its time has not come."""
        key = (item.new.name, item.key)
        row = self.rows.get(key)
        if row is not None and not self.may_start(now, row, item):
            return False
        policy = item.policy._asdict()
        self.rows[key] = (row or LatestRow(*key))._replace(task=item.task, refreshing=True, **policy)
        return True

    def may_start(self, now: int, row: LatestRow, item: Refresh) -> bool:
        """Whether a refresh of a key that there is may start."""
        if row.refreshing:
            return False
        missing = row.got_at is None or row.got_at + item.policy.fresh_ms <= now
        return item.force or (row.retry_at <= now and missing)

    def put(self, now: int, put: Put) -> bool:
        key = (put.name, put.key)
        row = self.rows.get(key)
        if row is not None and row.refreshing and row.task != put.gone:
            return False
        row = (row or LatestRow(*key))._replace(**put.policy._asdict())
        self._get(row, put.value, now, task=None)
        return True

    def purge(self, purge: Purge) -> bool:
        key = (purge.name, purge.key)
        row = self.rows.get(key)
        if row is None or (row.refreshing and row.task != purge.gone):
            return False
        self._drop(key)
        return True

    def forget(self, now: int, limit: int) -> int:
        old = [
            key for key, row in self.rows.items()
            if row.keep_ms is not None and not row.refreshing
            and max(row.got_at or 0, row.last_error_at or 0) + row.keep_ms < now
        ][:limit]  # fmt: skip
        for key in old:
            self._drop(key)
        return len(old)

    # -- what the triggers do

    def ended(self, task: Snapshot, verdict: Verdict) -> None:
        """A refresh has settled; one that is not the newest of its key changes nothing."""
        row = self.rows.get((task.name, str(task.latest)))
        if row is None or row.task != task.id or task.finished_at is None:
            return
        at = min(task.finished_at, task.settles_at)
        if task.status is Status.COMPLETED:
            self._get(row, task.result_data, at)
            return
        pause = min(row.retry_ms << min(row.failures, 26), row.retry_cap_ms)
        self.rows[row.name, row.key] = row._replace(
            refreshing=False, failures=row.failures + 1, last_error=task.error_message,
            last_reason=task.reason or Reason.EXCEPTION, last_error_type=task.error_type, last_error_at=at,
            retry_at=at + max(pause, verdict.retry_after_ms or 0),
        )  # fmt: skip

    def _get(self, row: LatestRow, value: str | None, at: int, **more: Any) -> None:
        key = (row.name, row.key)
        before = self.rows.get(key)
        if before is not None and before.got_at is not None and row.history:
            formers = self.formers.setdefault(key, [])
            formers.insert(0, Former(before.value, before.got_at))
            del formers[row.history :]
        self.rows[key] = row._replace(
            value=value, got_at=at, refreshing=False, failures=0, retry_at=0, last_error=None, last_reason=None,
            last_error_type=None, last_error_at=None, **more,
        )  # fmt: skip

    def _drop(self, key: Key) -> None:
        del self.rows[key]
        self.formers.pop(key, None)
