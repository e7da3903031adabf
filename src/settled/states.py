"""The words for how a task stands, why it failed and how a wait ends; each list is said once, here."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How a task stands; only ``completed`` and ``failed`` are terminal, for ever."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether a task in this status never changes again."""
        return self in TERMINAL


class Reason(StrEnum):
    """Why a task is ``failed``: a closed list, finer detail goes into the message."""

    EXCEPTION = "exception"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    WORKER_LOST = "worker_lost"
    NEVER_STARTED = "never_started"
    RESULT_REJECTED = "result_rejected"
    ENQUEUE_FAILED = "enqueue_failed"
    INTERRUPTED = "interrupted"


class End(StrEnum):
    """How a wait ends, for the one who waits; there is no seventh way."""

    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"
    DENIED = "denied"
    ABORTED = "aborted"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED})

MOVES: frozenset[tuple[Status, Status]] = frozenset(
    {
        (Status.PENDING, Status.RUNNING),
        (Status.PENDING, Status.FAILED),
        (Status.RUNNING, Status.COMPLETED),
        (Status.RUNNING, Status.FAILED),
        (Status.RUNNING, Status.PENDING),  # only for another attempt
    }
)

RETRYABLE = frozenset({Reason.EXCEPTION, Reason.TIMEOUT, Reason.WORKER_LOST, Reason.INTERRUPTED})
"""Failures of one attempt that another attempt may mend; the others end the task at once."""
