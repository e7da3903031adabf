"""One attempt, from its claim to its verdict: a few small steps, of which the first to decide wins.

    start ─► isolation runs the call ─► ended(outcome)  ┐
             time is over ────────────► give up         ├─► decide ─► ledger.settle(verdict)
             cancel, shutdown ────────► give up         ┘

Deciding comes before stopping the work: a row settles at its deadline though the work may take
longer to die, or cannot be stopped at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from settled import json_text, verdicts
from settled.records import Snapshot, Verdict
from settled.runner.base import Call, Function, Isolation, Work
from settled.runner.context import Context
from settled.runner.outcome import Outcome
from settled.states import Reason, Status

UNBEGUN = "all of it was over before it could begin, for something held the event loop"


class Desk(Protocol):
    """What an attempt needs of the engine that runs it."""

    def settle(self, verdict: Verdict) -> None:
        """Have the verdict written; from any thread, returns at once."""

    def now(self) -> int:
        """The ledger's instant, in milliseconds."""

    def report(self, attempt: Attempt, fraction: float | None, message: str) -> None:
        """Have progress recorded, when convenient."""

    def left(self, attempt: Attempt) -> None:
        """The work has really ended, or is left behind: its place is free."""


class Attempt:
    """One running attempt of a task in this process."""

    __slots__ = ("_context", "_desk", "_gone", "_overdue_at", "_stopped", "_work", "decided", "row", "together")
    _guard = threading.Lock()  # one for all: it is held for one assignment

    def __init__(self, row: Snapshot, desk: Desk) -> None:
        self.row = row
        self.decided = False
        self.together: Isolation | None = None  # set: what it shares one call with
        self._desk = desk
        self._gone = False
        self._stopped = False
        self._work: Work | None = None
        self._overdue_at = 0.0
        self._context: Context | None = None

    def start(self, function: Function, isolation: Isolation) -> None:
        """Begin on the running loop; not what was claimed so long ago that its time is over, for others may run it."""
        row = self.row
        now = self._desk.now()
        left = (row.timeout_ms - max(0, now - (row.started_at or now))) / 1000  # it began when it was claimed
        if left <= 0:
            self._ended(Outcome(Reason.TIMEOUT, message=verdicts.timeout_message(row, UNBEGUN)))
            return
        self._overdue_at = time.monotonic() + left
        self._context = Context(row.id, row.attempt, row.max_attempts, self._overdue_at, self._report)
        arguments = json_text.loads(row.arguments)
        self._work = isolation.start(
            Call(function, arguments["args"], arguments["kwargs"], self._context, row.id), self._ended
        )
        if self._stopped:  # by another thread, just now
            self._stop()

    def fail(self, outcome: Outcome) -> None:
        """End an attempt that could not be started."""
        self._ended(outcome)

    def give_up(self, reason: Reason, message: str) -> None:
        """End the attempt now with this reason, and stop the work as far as it can be stopped."""
        self._decide(Outcome(reason, message=message))
        self._stop()

    def disown(self) -> None:
        """Stop the work: its row is settled or another's already, so nothing is written."""
        with self._guard:
            self.decided = True
        self._stop()

    def end_if_overdue(self, now: float) -> None:
        """On the loop, a few times a second: give up on what has run longer than its timeout.

        Also when the watchdog has decided that already, being first or the loop being held: it cannot stop the work.
        """
        if now >= self._overdue_at and not self._stopped:
            self.give_up(Reason.TIMEOUT, self._timeout_message())

    def break_if_stuck(self, after: float) -> None:
        """From the watchdog's thread: settle what is past its time since the loop could not, and break the work."""
        work = self._work  # gone as soon as it has ended, which may be now
        if work is not None and time.monotonic() > self._overdue_at + after:
            if not self.decided:
                self._decide(Outcome(Reason.TIMEOUT, message=self._timeout_message()))
            work.interrupt()

    def _timeout_message(self) -> str:
        work = self._work
        return verdicts.timeout_message(self.row, work.where() if work else "")

    def _ended(self, outcome: Outcome) -> None:
        if outcome.reason is Reason.TIMEOUT and not outcome.message:
            outcome = outcome._replace(message=self._timeout_message())
        self._decide(outcome)
        if not self._gone:
            self._gone = True
            self._work = self._context = None  # which know it too: garbage in a circle costs a collector's run
            self._desk.left(self)

    def _decide(self, outcome: Outcome) -> None:
        with self._guard:
            if self.decided:
                return
            self.decided = True
        self._desk.settle(verdict_of(self.row, outcome, self._desk.now))

    def _stop(self) -> None:
        self._stopped = True
        if self._context is not None:
            self._context._cancel()
        work = self._work  # gone as soon as it has ended, which may be now
        if work is not None and not self._gone:
            work.give_up()

    def _report(self, fraction: float | None, message: str) -> None:
        if not self.decided:
            self._desk.report(self, fraction, message)


def verdict_of(row: Snapshot, outcome: Outcome, now: Callable[[], int]) -> Verdict:
    """The verdict that an outcome means for a row."""
    if outcome.reason is None:
        return Verdict(row.id, row.attempt, Status.COMPLETED, outcome.result_data, row=row)
    message = outcome.message or "It failed without a message."
    return verdicts.of_attempt(
        row._replace(as_of=now()), outcome.reason, message,
        error_type=outcome.error_type, traceback=outcome.traceback, retry=outcome.retry,
        retry_after_ms=outcome.retry_after_ms,
    )  # fmt: skip
