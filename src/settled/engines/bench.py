"""Runs, in a worker of another engine, what that engine brings: one task a call, each through the one gate.

It is the embedded engine without its looking for work. So a task meets the same isolations, limits, progress and
cancellation wherever it runs, and a worker of Celery is a worker like any other to whoever looks at the ledger.

An engine that brings its tasks in threads has one of them wait for each. One that has an event loop brings them on
that loop, which is the bench's too: then no thread changes hands but the writer's.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from functools import partial

from settled.engines.embedded import STOPPING, EmbeddedEngine
from settled.engines.gate import Gate
from settled.engines.registered import Registered
from settled.errors import BadTaskId, LedgerUnavailable, TaskNotFound
from settled.ledger import Ledger
from settled.records import NewTask, Snapshot, Verdict
from settled.runner.attempt import Attempt
from settled.states import Reason, Status

log = logging.getLogger("settled")
PATIENCE = 10.0
"""Seconds for which a task that was brought here waits for a ledger that is away; later it is published again."""
TRIES = 3
"""To claim what ought to be claimable."""
WRITTEN_WITHIN = 10.0
"""Seconds that a carried task's end waits to be written before the engine is told so; it stays queued beyond."""
LOOK_AT_LOOP = 5.0
"""Seconds after which a thread that waits for an attempt looks whether the loop on which that runs is still open."""
_LATE = "Attempt %d of task %s has not left its worker in time; its row settles all the same"
MOST_TURNED_AWAY = 1_000
"""Threads for what was brought on the loop and not let through at once, as while the ledger is away."""


class _Carried:
    """An attempt that an engine waits for, in a thread or on the bench's loop."""

    __slots__ = ("left", "row", "settled", "written")

    def __init__(self, row: Snapshot, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.row = row
        self.left: Future[None] | asyncio.Future[None] = Future() if loop is None else loop.create_future()
        self.settled = False  # there is a verdict; none for what was cancelled or expired by others
        self.written: Future[bool] | asyncio.Future[bool] = Future() if loop is None else loop.create_future()


class Bench(EmbeddedEngine):
    """Runs what it is brought, on the loop that starts it."""

    def __init__(self, ledger: Ledger, functions: Mapping[str, Registered], places: Mapping[str, int]) -> None:
        super().__init__(ledger, functions, places)
        self._carried: dict[tuple[str, int], _Carried] = {}
        self._pause = threading.Event()  # never set: it is only waited for
        self._threads = ThreadPoolExecutor(MOST_TURNED_AWAY, thread_name_prefix="settled-carry")
        self._gate: Gate[_Carried]

    def start(self) -> None:
        publish = self._ledger.commits.inserted
        super().start()
        self._ledger.commits.inserted = publish  # what is submitted here is for the engine to bring
        self._gate = Gate(self._loop, self._claim_these, self._begin)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop on which it runs what it is brought."""
        return self._loop

    def leave(self) -> None:
        """Let go of a loop that was closed under it."""
        self.abandon()

    def carry(self, task_id: str, *, refused: int = 0, unsure: bool = False) -> None:
        """Claim the task and run the attempt; return when its work has left and its verdict is written.

        A message for a task that has settled, runs elsewhere or is not known is dropped. ``refused`` says how often
        it was turned away just now, ``unsure`` that it may have been claimed for this process already.
        """
        self._places.expect()
        try:
            carried = self._begun(task_id, refused, unsure)
        finally:
            self.on_loop(self._arrived, 1)
        if carried is None:
            return
        assert isinstance(carried.left, Future)
        assert isinstance(carried.written, Future)
        try:
            self._await_leave(carried.left, self._leaves_within(carried.row))
            carried.written.result(timeout=WRITTEN_WITHIN)
        except FutureTimeout:
            log.warning(_LATE, carried.row.attempt, task_id)

    def _begun(self, task_id: str, refused: int, unsure: bool) -> _Carried | None:
        row = self._taken(task_id, refused, unsure)
        if row is None:
            return None
        carried = _Carried(row)
        if self._carried.setdefault((row.id, row.attempt), carried) is not carried:
            return None
        self.on_loop(self._launch_with_others, row)
        return carried

    def _await_leave(self, left: Future[None], seconds: float) -> None:
        """Not beyond the loop's own end: nothing leaves any more then, and the interpreter waits for this thread."""
        until = time.monotonic() + seconds
        while not left.done() and not self._loop.is_closed() and (more := until - time.monotonic()) > 0:
            with suppress(FutureTimeout):
                left.result(timeout=min(more, LOOK_AT_LOOP))
        left.result(timeout=0)

    async def acarry(self, task_id: str) -> None:
        """The same for what is brought on the bench's own loop.

        An attempt goes on when this is cancelled, for it may be another's wish than to end it: see ``give_up``.
        """
        if not self._accepting:
            return
        carried, unsure = await self._gate.ask(task_id)
        if carried is None:  # seldom, and a matter of several steps
            again = partial(self.carry, task_id, refused=0 if unsure else 1, unsure=unsure)
            await self._loop.run_in_executor(self._threads, again)
            return
        assert isinstance(carried.left, asyncio.Future)
        assert isinstance(carried.written, asyncio.Future)
        try:
            async with asyncio.timeout(self._leaves_within(carried.row) + WRITTEN_WITHIN):
                await carried.left
                await carried.written
        except TimeoutError:
            log.warning(_LATE, carried.row.attempt, task_id)

    def give_up(self, task_id: str, reason: Reason, message: str) -> None:
        """End the attempt at a task that runs here, for the engine says so; on the loop."""
        attempts = list(self._attempts.values())
        for attempt in attempts:
            if attempt.row.id == task_id:
                shared = attempt.together  # one call cannot be ended for one of them
                for other in attempts:
                    if other is attempt or (shared is not None and other.together is shared):
                        other.give_up(reason, message)

    # -- the embedded engine, without what only an engine of its own does

    def before_insert(self, new: NewTask) -> NewTask:
        return new

    def look(self) -> None:
        """Others have written something: a cancel, at most, and that is seen at the next tick."""

    def settle(self, verdict: Verdict) -> None:
        carried = self._carried.get((verdict.id, verdict.attempt))
        if carried is None:
            self._ledger.settle(verdict)
        else:
            carried.settled = True
            self._ledger.settle(verdict, carried.written)

    def left(self, attempt: Attempt) -> None:
        super().left(attempt)
        carried = self._carried.pop((attempt.row.id, attempt.row.attempt), None)
        if carried is not None:
            if not carried.settled and not carried.written.done():
                carried.written.set_result(False)
            if not carried.left.done():  # whoever brought it may be gone
                carried.left.set_result(None)

    async def _claim(self) -> None:
        """Nothing is looked for: what is due is brought."""

    def _expects(self) -> bool:
        return super()._expects() or self._gate.asked

    # -- what was let through, on the loop

    def _begin(self, row: Snapshot) -> _Carried:
        carried = self._carried[row.id, row.attempt] = _Carried(row, self._loop)
        self._launch_with_others(row)
        return carried

    def _launch_with_others(self, row: Snapshot) -> None:
        """Launch it; where a call takes several tasks, with others of its name that wait.

        A message for one of these comes too late, and is dropped.
        """
        size = self._functions[row.name].function.group
        if not size:
            self._launch(row)
        elif size == 1 or row.lane is not None:
            self._launch_together([row])
        else:
            others = self._ledger.aclaim(str(self._ledger.worker), [row.name], size - 1)
            others.add_done_callback(partial(self._launch_one_call, row))
            self._awaited(others)

    def _launch_one_call(self, row: Snapshot, claim: asyncio.Future[list[Snapshot]]) -> None:
        others = [] if claim.exception() else claim.result()
        self._launch_together([row, *(other for other in others if other.timeout_ms == row.timeout_ms)])
        for other in others:
            if other.timeout_ms != row.timeout_ms:
                self._launch_together([other])

    def _leaves_within(self, row: Snapshot) -> float:
        grace = self._functions[row.name].function.kill_grace
        return row.timeout_ms / 1000 + grace + STOPPING + WRITTEN_WITHIN

    # -- the gate

    def _claim_these(self, task_ids: Sequence[str]) -> asyncio.Future[list[Snapshot]]:
        worker = self._ledger.worker
        if worker is None:  # the ledger was away when it began: the heartbeat enlists it
            nothing = self._loop.create_future()
            nothing.set_result([])
            return self._awaited(nothing)  # it rings for a drain that waits
        return self._awaited(self._ledger.aclaim_these(worker, self._claimable(), task_ids))

    def _claimable(self) -> list[str]:
        return [name for name, registered in self._functions.items() if not self._fence.lapsing(registered)]

    def _taken(self, task_id: str, refused: int, unsure: bool) -> Snapshot | None:
        until = time.monotonic() + PATIENCE
        asked = refused > 0
        while self._accepting and refused < TRIES:
            try:
                worker = self._ledger.worker
                ask = worker is not None and not asked
                asked = False
                claimed = self._ledger.claim(str(worker), self._claimable(), 1, task_id) if ask else []
                if claimed:
                    return claimed[0]
                row = self._row(task_id)
                if unsure and row is not None and row.status is Status.RUNNING and row.worker == worker:
                    return row  # a claim was written though its answer was lost
                if row is None or not self._is_to_be_run(row):
                    return None
                if row.lane is not None:
                    return None  # its lane is full: it is published again
                refused += 1
                self._ledger.membership.beat()  # if this process was frozen and declared lost, it enlists anew
            except LedgerUnavailable as error:
                unsure = True
                if time.monotonic() > until:
                    log.warning("Task %s could not be claimed, and is published again later: %s", task_id, error)
                    return None
                self._pause.wait(1.0)
        return None

    def _row(self, task_id: str) -> Snapshot | None:
        try:
            return self._ledger.get(task_id)
        except (TaskNotFound, BadTaskId):
            return None

    def _is_to_be_run(self, row: Snapshot) -> bool:
        return row.status is Status.PENDING and row.due_at <= row.as_of and row.name in self._functions
