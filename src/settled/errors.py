"""Every error that settled raises, as one small tree.

    SettledError
    ├─ BadInput (also a ValueError)     the caller's fault; nothing was written
    │   ├─ BadPolicy                    a limit that is negative, infinite, zero …
    │   ├─ BadArguments                 do not fit the signature, or are not JSON
    │   ├─ BadTaskFunction              cannot be registered as it is
    │   ├─ BadTaskId                    is no task id
    │   ├─ BadLedgerUrl                 names no usable database
    │   ├─ BadKey                       a latest value's key that its function's hook refuses
    │   ├─ UnknownTaskName              nothing is registered under it
    │   └─ KeyConflict                  an idempotency key used again with other arguments
    ├─ TaskNotFound (also a LookupError)
    │   └─ TaskPruned                   older than the retention: it settled and was deleted
    ├─ NotAllowed                       the task's status does not permit it
    ├─ LedgerUnavailable                the database is away, locked or deleted: try again
    │   └─ LedgerFull                   no room on its disk
    ├─ LedgerTooNew                     written by a newer version of settled
    ├─ TaskFailed                       what ``Ending.unwrap()`` raises for ``failed``
    └─ NotSettled                       what it raises when the wait ended without an answer

The class says the fact, ``code`` is for machines, the message says what happened, why, and
what to do. ``PublicError`` and ``TryLater`` stand apart: a task function raises them, to speak to its
users, or to hand on what an upstream asked for.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from settled.states import End, Reason


class SettledError(Exception):
    """The root of every error of this library."""

    code = "error"


class BadInput(SettledError, ValueError):
    """The caller gave something unusable; nothing was written."""

    code = "bad-input"


class BadPolicy(BadInput):
    """A time limit or a number of attempts makes no sense."""

    code = "bad-policy"


class BadArguments(BadInput):
    """The arguments do not fit the task function's signature, or have no JSON form."""

    code = "bad-arguments"


class BadTaskFunction(BadInput):
    """The function cannot be registered as a task function as it is."""

    code = "bad-task-function"


class BadTaskId(BadInput):
    """The text is no task id."""

    code = "bad-task-id"


class BadLedgerUrl(BadInput):
    """The URL names no database that this process can use."""

    code = "bad-ledger-url"


class BadKey(BadInput):
    """The text is no key of this function; a ``key=`` hook raises it, or any ``ValueError``."""

    code = "bad-key"


class UnknownTaskName(BadInput):
    """No task function is registered under this name."""

    code = "unknown-task-name"


class KeyConflict(BadInput):
    """The idempotency key belongs to a task with other arguments."""

    code = "key-conflict"


class TaskNotFound(SettledError, LookupError):
    """The ledger holds no task with this id."""

    code = "not-found"


class TaskPruned(TaskNotFound):
    """The task is older than the retention: if it existed, it settled and was deleted."""

    code = "pruned"


class NotAllowed(SettledError):
    """The task's present status does not permit what was asked."""

    code = "not-allowed"


class LedgerUnavailable(SettledError):
    """The database cannot be read or written now; ``retry_after`` says when to try again, in seconds."""

    code = "ledger-unavailable"

    def __init__(self, message: str, *, retry_after: float = 2.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LedgerFull(LedgerUnavailable):
    """There is no room left on the database's disk."""

    code = "ledger-full"


class LedgerTooNew(SettledError):
    """A newer version of settled has written this ledger."""

    code = "ledger-too-new"


class TaskFailed(SettledError):
    """The task settled as ``failed``."""

    code = "task-failed"

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class NotSettled(SettledError):
    """The wait ended without the task's outcome."""

    code = "not-settled"

    def __init__(self, end: End, message: str) -> None:
        super().__init__(f"{end}: {message}")
        self.end = end
        self.message = message


class PublicError(Exception):
    """A task function raises this to fail with a message that is meant for the user.

    ``retry=True`` lets the remaining attempts run first; by default the task fails at once,
    since what one tells a user ("this address does not exist") is rarely mended by trying again.
    """

    def __init__(self, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.retry = retry


class TryLater(Exception):
    """A task function raises this to say for how long its upstream asked to be left alone.

    ``after`` is in seconds, a ``timedelta``, or the value of a ``Retry-After`` header as it came (seconds or a date).
    No further attempt and no refresh begins before; what cannot be read, or is in the past, is no time at all.
    """

    def __init__(self, after: float | str | timedelta, message: str = "The upstream asked to be tried later.") -> None:
        super().__init__(message)
        self.after = after

    @property
    def seconds(self) -> float:
        """From 0 to a year."""
        seconds = _seconds(self.after)
        return min(max(seconds, 0.0), 366 * 86_400.0) if math.isfinite(seconds) else 0.0


def _seconds(after: object) -> float:
    try:
        if isinstance(after, timedelta):
            return after.total_seconds()
        if isinstance(after, str) and not after.strip().isdecimal():
            moment = parsedate_to_datetime(after)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return (moment - datetime.now(UTC)).total_seconds()
        return float(after)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return 0.0
