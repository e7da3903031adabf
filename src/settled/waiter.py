"""Waits for a task so that the wait always ends, by the task's own deadline.

Two drivers of a few lines run the machine (``settled.machine``) against a ledger, on a thread and on an event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Final

from settled.bell import ROUND
from settled.errors import BadInput, SettledError
from settled.ledger import Ledger
from settled.machine import GRACE, LOOK_AGAIN, PATIENCE, Look, Terms, checked_timeout, machine
from settled.records import Ending, Snapshot, ending_of

__all__ = ["GRACE", "LOOK_AGAIN", "PATIENCE", "await_", "changed", "wait", "waiting"]

LOOK: Final = None
Seen = Snapshot | SettledError
Machine = Generator[float | None, Seen | None, Ending]


def waiting(timeout: float | None, clock: Callable[[], float], begun: float | None = None) -> Machine:
    """Yield ``LOOK`` or seconds to pause; be sent what was seen; return the ending: the machine, for a ledger."""
    inner = machine(Terms(timeout), clock, clock, begun)
    step: Look | float = next(inner)
    while True:
        seen = yield LOOK if isinstance(step, Look) else step
        try:
            step = inner.send(seen)
        except StopIteration as stop:
            return _ending(stop)


def wait(
    ledger: Ledger, task_id: str, timeout: float | None = None, look: Callable[[str], Snapshot] | None = None
) -> Ending:
    """Wait in a thread until the task settles; ``timeout`` (seconds) makes it end as ``aborted`` sooner.

    Raises ``BadInput`` on an event loop that the task may need. ``look`` asks for what else an id may name, and shows
    it as a task: a batch.
    """
    look = look or ledger.get
    steps = waiting(timeout, time.monotonic)
    answer: Seen | None = None
    ear = ledger.bell.listen(task_id)
    try:
        while True:
            pause = steps.send(answer)
            answer = None
            if pause is not LOOK:
                _check_that_no_loop_is_held(ledger)
                ear.wait(pause)
            else:
                ear.forget()
                try:
                    answer = ear.news or look(task_id)
                except SettledError as error:
                    answer = error
    except StopIteration as stop:
        return _ending(stop)
    finally:
        ledger.bell.stop(ear)


async def await_(
    ledger: Ledger, task_id: str, timeout: float | None = None,
    look: Callable[[str], Awaitable[Snapshot]] | None = None,
) -> Ending:  # fmt: skip
    """The same on an event loop."""
    checked_timeout(timeout)
    look = look or ledger.aget
    begun = time.monotonic()
    loop = asyncio.get_running_loop()
    ear = ledger.bell.listen(task_id, loop)
    try:
        if task_id in ledger.commits.here:  # its end cannot be missed in this process: often no look is needed
            if timeout is None:
                await ledger.bell.rounds(loop).await_(ear, ROUND)
            else:
                await ear.await_(min(LOOK_AGAIN, timeout))
            if ear.news is not None:
                return ending_of(ear.news)
        steps = waiting(timeout, time.monotonic, begun)
        pause = next(steps)
        while True:
            answer: Seen | None = None
            if pause is not LOOK:
                await ear.await_(pause)
            else:
                ear.forget()
                answer = ear.news or await _seen(look, task_id)
            pause = steps.send(answer)
    except StopIteration as stop:
        return _ending(stop)
    finally:
        ledger.bell.stop(ear)


async def changed(
    ledger: Ledger,
    task_id: str,
    timeout: float,
    since: Snapshot | None = None,
    closing: Callable[[], bool] = lambda: False,
) -> Snapshot:
    """Return the task at its next change (counted from ``since``, else from now), or as it is in ``timeout`` seconds.

    At once if it has settled, or when the process begins to close. A bell that rings for nothing is borne.
    """
    until = time.monotonic() + timeout
    ear = ledger.bell.listen(task_id, asyncio.get_running_loop())
    try:
        row = await ledger.aget(task_id)
        before = since or row
        while not row.settled and row[:-1] == before[:-1]:  # all but as_of
            left = until - time.monotonic()
            if left <= 0 or closing():
                break
            await ear.await_(min(left, row.settles_in + 0.05))
            ear.forget()
            row = await ledger.aget(task_id)
        return row
    finally:
        ledger.bell.stop(ear)


def _check_that_no_loop_is_held(ledger: Ledger) -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return  # a thread
    if loop in ledger.loops:
        raise BadInput(
            "wait() would hold up the event loop that runs this process's tasks or pages, and so the task that it "
            "waits for. Write `await task`, or `await tasks.await_(id)`: wait() is for threads and scripts. The task "
            "goes on."
        )


async def _seen(look: Callable[[str], Awaitable[Snapshot]], task_id: str) -> Seen:
    try:
        return await look(task_id)
    except SettledError as error:
        return error


def _ending(stop: StopIteration) -> Ending:
    ending: Ending = stop.value
    return ending
