"""What a look at a key answers: a pure function of its row, of the refresh under way, and of the ledger's clock."""

from __future__ import annotations

from typing import Any, NamedTuple

from settled import json_text
from settled.latest.options import Options
from settled.records import LatestRow, Snapshot
from settled.states import Reason, Status


class LastError(NamedTuple):
    """Why the newest refresh of a key failed, and when (milliseconds since the Unix epoch)."""

    reason: Reason
    message: str
    type: str | None
    at: int


class Latest(NamedTuple):
    """A key as it stands. Durations in seconds, instants in milliseconds since the Unix epoch."""

    name: str
    key: str
    found: bool
    """Whether there is a value to serve; an empty one (None, {}, []) is one."""
    text: str | None
    """The value as JSON text."""
    got_at: int | None
    age: float | None
    stale: bool
    """Whether the value is past its freshness."""
    last_error: LastError | None
    """Why the newest refresh failed; cleared by the next that succeeds, and by nothing else but a hand."""
    failures: int
    """How many refreshes in a row have failed."""
    retry_in: float
    """In how many seconds a look may start the next refresh, after a failure."""
    refreshing: bool
    task_id: str | None
    """The newest refresh, if any."""
    settles_in: float
    """In how many seconds the refresh under way has settled, come what may; 0 without one."""
    started_ago: float
    """How old the refresh under way is."""
    as_of: int

    @property
    def value(self) -> Any:
        """The decoded value; None also where there is none, which ``found`` tells."""
        return None if self.text is None else json_text.loads(self.text)

    @property
    def settled(self) -> bool:
        """Whether nothing is under way: what is known now is all, until a refresh is started."""
        return not self.refreshing


class Look(NamedTuple):
    """A key's row, and its refresh if that is open."""

    row: LatestRow
    task: Snapshot | None


def answer_of(look: Look, options: Options) -> Latest:
    """What whoever looks is told."""
    row, task = look
    found = row.got_at is not None
    age = None if row.got_at is None else max(0, row.as_of - row.got_at)
    stale = age is not None and age >= options.policy.fresh_ms
    error = None
    if row.last_error is not None:
        error = LastError(_reason(row.last_reason), row.last_error, row.last_error_type, row.last_error_at or 0)
        limit = options.stale_ms
        if limit is not None and age is not None and age >= options.policy.fresh_ms + limit:
            found = False  # too old to be served beside an error; it is kept all the same
    return Latest(
        row.name, row.key, found, row.value if found else None, row.got_at, None if age is None else age / 1000, stale,
        error, row.failures, max(0, row.retry_at - row.as_of) / 1000, task is not None, row.task,
        0.0 if task is None else max(0, task.settles_at - row.as_of) / 1000,
        0.0 if task is None else max(0, row.as_of - task.created_at) / 1000, row.as_of,
    )  # fmt: skip


def wants(row: LatestRow, mode: str, fresh_ms: int) -> bool:
    """Whether this look would start a refresh; the database decides, by the same rule."""
    if mode == "never" or row.refreshing:
        return False
    missing = row.got_at is None or row.got_at + fresh_ms <= row.as_of
    return mode == "force" or (missing and row.retry_at <= row.as_of)


def after_end(row: LatestRow, task: Snapshot | None) -> LatestRow:
    """The row as it will read once the end of its refresh is written; for a reader that cannot write.

    It is what the database's trigger does. None: the refresh has no row any more.
    """
    if task is None:
        return row._replace(refreshing=False)
    ended = min(task.settles_at if task.finished_at is None else task.finished_at, task.settles_at)
    if task.status is Status.COMPLETED:
        return row._replace(
            refreshing=False, value=task.result_data, got_at=ended, last_error=None, last_reason=None,
            last_error_type=None, last_error_at=None, failures=0, retry_at=0,
        )  # fmt: skip
    return row._replace(
        refreshing=False, last_error=task.error_message, last_reason=task.reason or Reason.EXCEPTION,
        last_error_type=task.error_type, last_error_at=ended, failures=row.failures + 1,
        retry_at=ended + min(row.retry_ms << min(row.failures, 26), row.retry_cap_ms),
    )  # fmt: skip


def unstarted(row: LatestRow, why: str, pause: float) -> LatestRow:
    """The row where nothing is known of a key, and its refresh could not be started: so it is not to be waited for."""
    if row.got_at is not None or row.last_error is not None:
        return row
    retry_at = row.as_of + round(pause * 1000)
    return row._replace(
        last_error=why, last_reason=Reason.ENQUEUE_FAILED, last_error_at=row.as_of, retry_at=retry_at
    )  # fmt: skip


def _reason(word: str | None) -> Reason:
    return Reason(word) if word in list(Reason) else Reason.EXCEPTION
