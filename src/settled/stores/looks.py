"""What a person on call asks of a ledger: looks that cost the same however many rows there are.

Each look is bounded: by a number of rows, or by what an index of open or of failed rows holds. A ``place`` is where
a search stands among the rows, newest first: text that only the store that gave it can read, good also when the row
there has been deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps as json_of
from typing import Any, NamedTuple, Protocol

from settled.states import Status

MANY = 10_000
"""Rows up to which something is counted; of more it is only said that they are more."""
FEW_OPEN = 20_000
"""Open rows up to which they are found by their index, wherever they are; of more, some will be among the newest."""


class Wanted(NamedTuple):
    """Which tasks are looked for; what is not said is any. Instants in milliseconds on the ledger's clock."""

    statuses: tuple[Status, ...] = ()
    reason: str | None = None
    name: str | None = None
    text: str | None = None  # anywhere in the id, name, key, message, progress or arguments, in either case
    worker: str | None = None
    since: int | None = None  # made at this instant or later
    until: int | None = None  # made before this instant


class Brief(NamedTuple):
    """One task in a list: all that is short. Of long texts only the beginning."""

    id: str
    name: str
    status: Status
    reason: str | None
    error_message: str | None
    error_type: str | None
    arguments: str
    key: str | None
    owner: str | None
    progress: float | None
    progress_message: str | None
    attempt: int
    max_attempts: int
    created_at: int
    started_at: int | None
    finished_at: int | None
    due_at: int
    deadline_at: int
    settles_at: int
    worker: str | None

    @property
    def settled(self) -> bool:
        """Whether this is the task's last word."""
        return self.status.terminal


BRIEFLY = {"error_message": 1_000, "arguments": 4_000, "progress_message": 1_000}
"""Characters of long texts that a ``Brief`` has."""
BRIEF_COLUMNS = ", ".join(
    f"substr({field}, 1, {BRIEFLY[field]})" if field in BRIEFLY else field for field in Brief._fields
)


class Scanned(NamedTuple):
    """What one stretch of rows holds of what is wanted."""

    found: list[Brief]
    place: str
    """Where to go on."""
    reached: int | None
    """When the last row that was looked at was made, in milliseconds; None if there was none."""
    done: bool
    """Whether there is nothing further down."""


class Counted(NamedTuple):
    """How many of a stretch of rows are wanted; the rest is as in ``Scanned``."""

    total: int
    place: str
    reached: int | None
    done: bool


class Tallies(NamedTuple):
    """How many tasks there are, each counted at least up to ``MANY`` + 1."""

    pending: int
    running: int | None
    """None where so many are open that it is not known how many of them run."""
    failed: int
    kept: int
    about: int | None
    """How many are kept, estimated, where they are more than ``MANY``."""


class Ended(NamedTuple):
    """How one attempt went in time: what percentiles are made of. Instants in milliseconds."""

    name: str
    status: Status
    reason: str | None
    error_message: str | None
    due_at: int
    started_at: int | None
    finished_at: int | None
    deadline_at: int
    timeout_ms: int


class Waiting(NamedTuple):
    """Due tasks of one name that nobody has picked up, among the first ``MANY`` that are due."""

    name: str
    tasks: int
    due_at: int


class Looks(Protocol):
    """The looks of one store; from any thread."""

    def scan(self, wanted: Wanted, place: str | None, rows: int, limit: int) -> Scanned:
        """Look at the next ``rows`` rows or so below ``place`` for at most ``limit`` that are wanted."""

    def count(self, wanted: Wanted, place: str | None, rows: int) -> Counted:
        """Count those of the next ``rows`` rows or so below ``place`` that are wanted."""

    def top(self) -> str:
        """A place above everything that there is now."""

    def tallies(self) -> Tallies:
        """How many there are of what."""

    def newest(self, rows: int) -> list[Ended]:
        """How the newest tasks went, open ones too."""

    def waiting(self) -> list[Waiting]:
        """What waits to be picked up, by name."""

    def running(self) -> dict[str, int]:
        """How many tasks each worker runs, by the first ``MANY`` open ones."""

    def retries(self, name: str, key: str, owner: str | None) -> Sequence[str]:
        """The id of the task with this name, idempotency key and owner, if there is one."""


# -- what is the same in every store


def only_open(wanted: Wanted) -> bool:
    """Whether all that is wanted is found by the index of open rows."""
    return bool(wanted.statuses) and not any(status.terminal for status in wanted.statuses)


def only_failed(wanted: Wanted) -> bool:
    """Whether all that is wanted is found by the index of failed rows."""
    return set(wanted.statuses) == {Status.FAILED} or (wanted.reason is not None and not wanted.statuses)


def values_of(wanted: Wanted) -> dict[str, Any]:
    """The values of the statements; a text is looked for as it is, and in arguments also as JSON escapes it."""
    like = json = None
    if wanted.text:
        like = f"%{_literal(wanted.text)}%"
        json = f"%{_literal(json_of(wanted.text)[1:-1])}%"
    return {
        "reason": wanted.reason, "name": wanted.name, "worker": wanted.worker, "since": wanted.since,
        "until": wanted.until, "text": like, "json": json,
    }  # fmt: skip


def scanned(rows: Sequence[Sequence[Any]], floor: Sequence[Any] | None, limit: int) -> Scanned:
    """What was found in a stretch that ends at the row ``floor`` (place, created_at), or with the table."""
    found = [Brief._make((*row[1:3], Status(row[3]), *row[4:])) for row in rows]
    if len(rows) == limit:
        return Scanned(found, str(rows[-1][0]), found[-1].created_at, False)
    if floor is None:
        return Scanned(found, "0", found[-1].created_at if found else None, True)
    return Scanned(found, str(floor[0]), floor[1], False)


def counted(total: int, floor: Sequence[Any] | None) -> Counted:
    """How many there are in a stretch that ends at the row ``floor``, or with the table."""
    return Counted(total, "0", None, True) if floor is None else Counted(total, str(floor[0]), floor[1], False)


def tallied(row: Sequence[Any]) -> Tallies:
    """The tallies, with the estimate where it is needed."""
    pending, opened, failed, kept, about = row
    running = opened - pending if pending <= MANY else None
    return Tallies(pending, running, failed, kept, max(about or 0, kept) if kept > MANY else None)


def ended(rows: Sequence[Sequence[Any]]) -> list[Ended]:
    """Rows of ``newest`` as records."""
    return [Ended._make((row[0], Status(row[1]), *row[2:])) for row in rows]


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
