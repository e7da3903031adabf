"""What the command's exit status says; the same for every command."""

from __future__ import annotations

from enum import IntEnum

from settled.errors import LedgerUnavailable, NotAllowed, SettledError, TaskNotFound
from settled.states import End


class Exit(IntEnum):
    """The exit statuses of ``settled``."""

    DONE = 0
    NO = 1  # the task failed, the request was refused, a promise is broken
    USAGE = 2
    UNKNOWN = 3  # no such task
    UNREACHABLE = 4  # the ledger cannot be read or written now
    ABORTED = 5  # the wait was given up, the task goes on
    INTERRUPTED = 130  # Ctrl-C, as shells count it
    PIPE_CLOSED = 141  # whoever read the output has gone


_OF_END = {
    End.COMPLETED: Exit.DONE,
    End.FAILED: Exit.NO,
    End.UNKNOWN: Exit.UNKNOWN,
    End.UNREACHABLE: Exit.UNREACHABLE,
    End.DENIED: Exit.NO,
    End.ABORTED: Exit.ABORTED,
}


def of_end(end: End) -> Exit:
    """The exit status for how a wait ended."""
    return _OF_END[end]


def of_error(error: SettledError) -> Exit:
    """The exit status for an error."""
    if isinstance(error, LedgerUnavailable):
        return Exit.UNREACHABLE
    if isinstance(error, TaskNotFound):
        return Exit.UNKNOWN
    return Exit.NO if isinstance(error, NotAllowed) else Exit.USAGE
