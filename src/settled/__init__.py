"""settled: every background task ends in a database write, and everyone who waits for it stops."""

from settled.batch import Batch
from settled.errors import (
    BadArguments,
    BadInput,
    BadKey,
    BadLedgerUrl,
    BadPolicy,
    BadTaskFunction,
    BadTaskId,
    KeyConflict,
    LedgerFull,
    LedgerTooNew,
    LedgerUnavailable,
    NotAllowed,
    NotSettled,
    PublicError,
    SettledError,
    TaskFailed,
    TaskNotFound,
    TaskPruned,
    TryLater,
    UnknownTaskName,
)
from settled.function import TaskFunction
from settled.latest import Latest, LatestFunction
from settled.ledger import Ledger
from settled.limit import Limit
from settled.policy import Policy
from settled.records import BatchEnding, BatchSnapshot, Ending, Failure, Snapshot
from settled.remote import await_, wait
from settled.runner.context import Context
from settled.states import End, Reason, Status
from settled.task import Task
from settled.tasks import Tasks

__version__ = "0.1.0"

__all__ = [
    "BadArguments",
    "BadInput",
    "BadKey",
    "BadLedgerUrl",
    "BadPolicy",
    "BadTaskFunction",
    "BadTaskId",
    "Batch",
    "BatchEnding",
    "BatchSnapshot",
    "Context",
    "End",
    "Ending",
    "Failure",
    "KeyConflict",
    "Latest",
    "LatestFunction",
    "Ledger",
    "LedgerFull",
    "LedgerTooNew",
    "LedgerUnavailable",
    "Limit",
    "NotAllowed",
    "NotSettled",
    "Policy",
    "PublicError",
    "Reason",
    "SettledError",
    "Snapshot",
    "Status",
    "Task",
    "TaskFailed",
    "TaskFunction",
    "TaskNotFound",
    "TaskPruned",
    "Tasks",
    "TryLater",
    "UnknownTaskName",
    "await_",
    "wait",
]
