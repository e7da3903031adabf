"""Frozen records of what the ledger holds, and of what is put into it.

They are tuples on purpose: a row of the database becomes a record in one step (``Snapshot(*row)``),
which matters when a thousand pages ask at once. Instants are whole milliseconds since the Unix
epoch on the ledger's clock.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from settled import json_text
from settled.errors import NotSettled, TaskFailed
from settled.states import TERMINAL, End, Reason, Status

ADOPTED = "celery:"
"""Begins the key of a task that another system runs: there is no attempt but those that it begins."""
REDELIVERED = "celery-late:"
"""The same, where that system brings again what a lost worker had."""


class Snapshot(NamedTuple):
    """One task as the ledger saw it at the instant ``as_of``."""

    id: str
    name: str
    status: Status
    result_data: str | None
    error_message: str | None
    reason: Reason | None
    error_type: str | None
    traceback: str | None
    arguments: str
    key: str | None
    owner: str | None
    progress: float | None
    progress_message: str | None
    attempt: int
    max_attempts: int
    timeout_ms: int
    lease_ms: int
    backoff_ms: int
    created_at: int
    started_at: int | None
    finished_at: int | None
    due_at: int
    deadline_at: int
    settles_at: int
    worker: str | None
    retry_of: str | None
    previous_error: str | None
    batch: str | None
    lane: str | None
    lane_places: int | None
    lane_gap_us: int | None
    latest: str | None
    as_of: int

    @property
    def settled(self) -> bool:
        """Whether this is the task's last word."""
        return self.status in TERMINAL

    @property
    def result(self) -> Any:
        """The decoded result; ``None`` unless completed."""
        return None if self.result_data is None else json_text.loads(self.result_data)

    @property
    def settles_in(self) -> float:
        """Seconds from ``as_of`` until the task is settled, come what may; 0 once it is."""
        return 0.0 if self.settled else max(0, self.settles_at - self.as_of) / 1000

    @property
    def adopted(self) -> bool:
        """Whether another system runs it, as it would without a ledger."""
        return self.key is not None and self.key.startswith((ADOPTED, REDELIVERED))

    @property
    def overdue(self) -> bool:
        """Whether its present status was past its deadline at ``as_of``."""
        return not self.settled and self.deadline_at <= self.as_of


class BatchSnapshot(NamedTuple):
    """One batch as the ledger saw it at the instant ``as_of``: how many of its tasks are in which status."""

    id: str
    name: str
    owner: str | None
    pending: int
    running: int
    completed: int
    failed: int
    created_at: int
    finished_at: int | None  # of the last of them, once all have settled
    settles_at: int
    as_of: int

    @property
    def total(self) -> int:
        """How many tasks it has."""
        return self.pending + self.running + self.completed + self.failed

    @property
    def settled(self) -> bool:
        """Whether all of its tasks are: it never changes again then."""
        return not self.pending and not self.running

    @property
    def counts(self) -> dict[str, int]:
        """How many of its tasks are in each status."""
        return {str(status): getattr(self, status) for status in Status}

    @property
    def settles_in(self) -> float:
        """Seconds from ``as_of`` until all of it is settled, come what may; 0 once it is."""
        return 0.0 if self.settled else max(0, self.settles_at - self.as_of) / 1000


class Failure(NamedTuple):
    """Why tasks of a batch failed, and how many for this reason with this message."""

    reason: Reason
    message: str
    number: int
    type: str | None = None


class NewTask(NamedTuple):
    """What submit hands to the ledger; the ledger adds the id and every instant."""

    name: str
    arguments: str
    start_timeout_ms: int
    timeout_ms: int
    lease_ms: int
    backoff_ms: int
    max_attempts: int
    reserve_ms: int
    key: str | None = None
    owner: str | None = None
    retry_of: str | None = None
    batch: str | None = None
    lane: str | None = None  # what a limit bounds: so many of them run at once, so many microseconds between starts
    lane_places: int | None = None
    lane_gap_us: int | None = None
    latest: str | None = None  # the key whose value it refreshes; written only by ``refresh``
    id: str | None = None  # set, with a key: another system has named it, and it may have a row
    worker: str | None = None  # set: born running, claimed by this worker in the same statement


class Verdict(NamedTuple):
    """How one attempt ended, ready to be written: everything in it can be stored."""

    id: str
    attempt: int
    status: Status  # COMPLETED, FAILED, or PENDING for another attempt
    result_data: str | None = None
    reason: Reason | None = None
    error_message: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    seen: Status = Status.RUNNING  # the status that the verdict was formed on
    due_at: int = 0  # for another attempt: not before, and to be started by
    deadline_at: int = 0
    expiry: bool = False  # written because it was overdue: the only kind that counts past settles_at
    row: Snapshot | None = None  # what it was formed on, for those who wait in this process
    retry_after_ms: int | None = None  # for so long the upstream asked to be left alone


class LatestRow(NamedTuple):
    """What the ledger holds of one key at ``as_of``: its newest good value, its last error, its newest refresh."""

    name: str
    key: str
    value: str | None = None  # JSON text
    got_at: int | None = None  # there is a value, empty or not
    last_error: str | None = None
    last_reason: str | None = None
    last_error_type: str | None = None
    last_error_at: int | None = None
    failures: int = 0  # in a row
    retry_at: int = 0  # nobody but a forcing hand starts a refresh before
    task: str | None = None
    refreshing: bool = False  # whether that task is open
    fresh_ms: int = 0
    retry_ms: int = 60_000
    retry_cap_ms: int = 86_400_000
    keep_ms: int | None = None
    history: int = 0
    as_of: int = 0


class LatestPolicy(NamedTuple):
    """What a key's row keeps of its function's policy, in milliseconds; the names are those of ``LatestRow``."""

    fresh_ms: int
    retry_ms: int
    retry_cap_ms: int
    keep_ms: int | None = None
    history: int = 0


class Former(NamedTuple):
    """A value that a key had before, as JSON text, and when it was got."""

    text: str | None
    got_at: int

    @property
    def value(self) -> Any:
        """The decoded value."""
        return None if self.text is None else json_text.loads(self.text)


class WorkerRow(NamedTuple):
    """One process that runs tasks or answers for them, as the ledger saw it at ``as_of``."""

    id: str
    host: str
    pid: int
    names: str
    started_at: int
    heard_at: int
    lease_ms: int
    lost_at: int | None
    engine: str | None
    """What brings tasks to it; None if it only answers, runs blocks by hand, or is of an older version."""
    processes: str | None
    """Of ``names`` those whose attempts have processes of their own, which it ends before its lease is over; JSON.

    None if nobody can take it for dead while it lives, or it is of an older version.
    """
    as_of: int

    def knows(self, name: str) -> bool:
        """Whether it runs tasks of this name, by what it said when it enlisted."""
        return name in json.loads(self.names)

    @property
    def called(self) -> str:
        """What people call it."""
        return f"{self.pid} on {self.host}" + (f" ({self.engine})" if self.engine else "")

    @property
    def alive(self) -> bool:
        """Whether it is believed alive: not declared lost, and heard within its lease."""
        return self.lost_at is None and self.as_of <= self.heard_at + self.lease_ms


class Finding(NamedTuple):
    """One line of the doctor's report; ``broken`` means that a promise of the contract does not hold."""

    level: str  # "ok" | "warning" | "broken"
    subject: str
    message: str


class Ending(NamedTuple):
    """How a wait ended: one of six ways, and what is known of the task."""

    end: End
    snapshot: Snapshot | None = None
    reason: Reason | None = None
    message: str = ""

    @property
    def completed(self) -> bool:
        """Whether the task ended well."""
        return self.end is End.COMPLETED

    @property
    def result(self) -> Any:
        """The decoded result; ``None`` unless completed."""
        return self.snapshot.result if self.completed and self.snapshot else None

    def unwrap(self) -> Any:
        """Return the result; raise ``TaskFailed`` or ``NotSettled`` if there is none."""
        if self.completed:
            return self.result
        if self.end is End.FAILED and self.reason is not None:
            raise TaskFailed(self.reason, self.message)
        raise NotSettled(self.end, self.message)

    def __str__(self) -> str:
        if self.completed:
            return f"completed: {json.dumps(self.result, ensure_ascii=False)}"
        return f"{self.end}: {self.reason}: {self.message}" if self.reason else f"{self.end}: {self.message}"


class BatchEnding(NamedTuple):
    """How a wait for a batch ended: ``completed`` if all of its tasks did, ``failed`` if not, or as for a task."""

    end: End
    snapshot: BatchSnapshot | None = None
    failures: tuple[Failure, ...] = ()
    message: str = ""

    @property
    def completed(self) -> bool:
        """Whether every task ended well."""
        return self.end is End.COMPLETED

    def unwrap(self) -> BatchSnapshot:
        """Return the counts; raise ``TaskFailed`` or ``NotSettled`` unless all ended well."""
        if self.completed and self.snapshot is not None:
            return self.snapshot
        if self.end is End.FAILED and self.failures:
            raise TaskFailed(self.failures[0].reason, self.message)
        raise NotSettled(self.end, self.message)

    def __str__(self) -> str:
        return f"{self.end}: {self.message}"


def ending_of(snapshot: Snapshot) -> Ending:
    """The ending that a settled snapshot means for whoever waited."""
    if snapshot.status is Status.COMPLETED:
        return Ending(End.COMPLETED, snapshot)
    return Ending(End.FAILED, snapshot, snapshot.reason, snapshot.error_message or "")
