"""The safe runner of the pattern: any block, call or awaitable, run under a task's id, so that it settles."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from types import TracebackType
from typing import Any

from settled import verdicts
from settled.errors import LedgerUnavailable, NotAllowed
from settled.ledger import Ledger
from settled.records import Ending, Snapshot, ending_of
from settled.runner.attempt import verdict_of
from settled.runner.context import said
from settled.runner.outcome import Outcome, completed, raised
from settled.states import End, Reason
from settled.stores.base import Progress

log = logging.getLogger("settled")
WRITTEN_WITHIN = 30.0
"""Seconds that the end of a block waits for its verdict to be written; it stays queued beyond."""


class Settling:
    """``with tasks.settling(task) as attempt:`` claims the task, and settles it however the block ends.

    Set ``attempt.result`` for a result. An exception settles the task and goes on its way. In
    ``async with`` the block is cancelled at the task's timeout; a plain block cannot be, but its
    row is settled at the deadline, and what it does later is refused.
    """

    def __init__(self, ledger: Ledger, task_id: str, max_result_bytes: int) -> None:
        self.result: Any = None
        self._ledger = ledger
        self.id = task_id
        self._limit = max_result_bytes
        self._row: Snapshot | None = None
        self._timer: asyncio.Timeout | None = None

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Tell whoever waits how far it is, from 0 to 1 (None: unknown)."""
        row = self._claimed()
        self._ledger.record_progress(Progress(row.id, row.attempt, *said(fraction, message)))

    def __enter__(self) -> Settling:
        self._row = self._claim()
        return self

    def _claim(self) -> Snapshot:
        row = self._ledger.get(self.id)
        for _ in range(2):
            worker = self._ledger.worker
            claimed = [] if worker is None else self._ledger.claim(worker, [row.name], 1, self.id)
            if claimed:
                return claimed[0]
            self._ledger.membership.beat()  # if this process was frozen and declared lost, it enlists anew
        raise NotAllowed(f"Task {self.id} cannot be run here: it is {self._ledger.get(self.id).status}, not pending.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = completed(self.result, self._limit) if error is None else raised(error)
        if isinstance(error, GeneratorExit):
            self._leave(outcome)
        else:
            self._settle(outcome)

    async def __aenter__(self) -> Settling:
        entering = asyncio.ensure_future(asyncio.to_thread(self.__enter__))
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError as error:
            outcome = raised(error)
            entering.add_done_callback(lambda entered: self._left_at_the_door(entered, outcome))
            raise
        self._timer = asyncio.timeout(self._claimed().timeout_ms / 1000)
        await self._timer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timer is not None
        try:
            await self._timer.__aexit__(kind, error, trace)
        except TimeoutError:
            outcome = Outcome(Reason.TIMEOUT, message=verdicts.timeout_message(self._claimed()))
            await asyncio.shield(asyncio.to_thread(self._settle, outcome))
            raise
        outcome = completed(self.result, self._limit) if error is None else raised(error)
        if isinstance(error, GeneratorExit):  # nothing can be awaited any more
            self._leave(outcome)
        else:
            await asyncio.shield(asyncio.to_thread(self._settle, outcome))

    def ending(self) -> Ending:
        """How the task stands after the block; ``aborted`` if another attempt is to follow this one."""
        try:
            row = self._ledger.get(self.id)
        except LedgerUnavailable as error:
            return Ending(End.UNREACHABLE, None, None, str(error))
        if row.settled:
            return ending_of(row)
        why = f" ({row.previous_error})" if row.previous_error else ""
        return Ending(
            End.ABORTED,
            None,
            None,
            f"This attempt is over{why}; the task is {row.status} and settles within {row.settles_in:.0f} s.",
        )

    def _left_at_the_door(self, entered: asyncio.Future[Settling], outcome: Outcome) -> None:
        """Settle what was claimed for a block that was cancelled meanwhile, and will not be run."""
        if not entered.cancelled() and entered.exception() is None:
            self._leave(outcome)

    def _claimed(self) -> Snapshot:
        if self._row is None:
            raise NotAllowed("The task is not running yet: use this inside the with block.")
        return self._row

    def _leave(self, outcome: Outcome) -> None:
        """Settle without a wait: a block that is collected as garbage may be so by the very thread that writes."""
        self._ledger.settle(verdict_of(self._claimed(), outcome, self._ledger.store.now))

    def _settle(self, outcome: Outcome) -> None:
        written: Future[bool] = Future()
        self._ledger.settle(verdict_of(self._claimed(), outcome, self._ledger.store.now), written)
        try:
            written.result(timeout=WRITTEN_WITHIN)
        except FutureTimeout:
            pass  # the database is away: the verdict stays queued, and the row settles at its deadline at the latest


def run(settling: Settling, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Ending:
    """Call ``function`` inside the block; swallow its exception, which the task now carries."""
    try:
        with settling as attempt:
            attempt.result = function(*args, **kwargs)
    except NotAllowed:
        raise
    except Exception as error:
        log.info("Task %s failed: %r", settling.id, error)  # the task carries it; nobody here is to be stopped
    return settling.ending()


async def await_(settling: Settling, awaitable: Awaitable[Any]) -> Ending:
    """The same for an awaitable."""
    try:
        async with settling as attempt:
            attempt.result = await awaitable
    except NotAllowed:
        raise
    except Exception as error:
        log.info("Task %s failed: %r", settling.id, error)  # the task carries it; nobody here is to be stopped
    finally:
        if inspect.iscoroutine(awaitable):
            awaitable.close()  # it may never have been begun
    return await asyncio.to_thread(settling.ending)
