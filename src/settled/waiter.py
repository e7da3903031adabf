"""Waits for a task so that the wait always ends, by the task's own deadline.

The machine is a generator without I/O: it says ``LOOK`` or how many seconds to pause, is told what
was seen, and returns one of the six endings. Two drivers of a few lines run it, on a thread and on
an event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Final

from settled.errors import BadTaskId, SettledError, TaskNotFound
from settled.ledger import Ledger
from settled.records import Ending, Snapshot, ending_of
from settled.states import End

LOOK: Final = None
GRACE = 5.0
"""Seconds after the task's own deadline for which trouble is still borne."""
PATIENCE = 30.0
"""Seconds for which trouble is borne if nobody has ever answered."""
LOOK_AGAIN = 5.0
"""Seconds after which to look even if no bell has rung: a hint may be lost."""

Seen = Snapshot | SettledError
Machine = Generator[float | None, Seen | None, Ending]


def waiting(timeout: float | None, clock: Callable[[], float], begun: float | None = None) -> Machine:
    """Yield ``LOOK`` or seconds to pause; be sent what was seen; return the ending."""
    begun = clock() if begun is None else begun
    mine = None if timeout is None else begun + timeout
    bound = begun + PATIENCE
    seen_at = None
    pause = LOOK_AGAIN
    trouble = 0.0
    while True:
        seen = yield LOOK
        now = clock()
        if isinstance(seen, Snapshot):
            if seen.settled:
                return ending_of(seen)
            promised = now + seen.settles_in + GRACE
            bound = promised if seen_at is None else min(bound, promised)  # no later answer takes it back
            seen_at, trouble = now, 0.0
            pause = min(LOOK_AGAIN, seen.settles_in + 0.05)
        elif isinstance(seen, (TaskNotFound, BadTaskId)):
            return Ending(End.UNKNOWN, None, None, str(seen))
        else:
            pause = trouble = min(2.0, trouble * 2 or 0.1)
        if now >= bound:
            return Ending(End.UNREACHABLE, None, None, _unreachable(seen, seen_at, now))
        if mine is not None and now >= mine:
            return Ending(
                End.ABORTED,
                None,
                None,
                f"You waited {timeout:g} s, as asked; the task goes on and settles within "
                f"{max(0.0, bound - GRACE - now):.0f} s.",
            )
        yield max(0.0, min(pause, bound - now, pause if mine is None else mine - now))


def _unreachable(seen: Seen | None, seen_at: float | None, now: float) -> str:
    if isinstance(seen, Snapshot):
        return f"The task should have settled by now, and is still {seen.status}. Run settled doctor on the ledger."
    since = "ever" if seen_at is None else f"for {now - seen_at:.0f} s"
    return f"The ledger has not answered {since}: {seen}"


def wait(ledger: Ledger, task_id: str, timeout: float | None = None) -> Ending:
    """Wait in a thread until the task settles; ``timeout`` (seconds) makes it end as ``aborted`` sooner."""
    machine = waiting(timeout, time.monotonic)
    answer: Seen | None = None
    ear = ledger.bell.listen(task_id)
    try:
        while True:
            pause = machine.send(answer)
            answer = None
            if pause is not LOOK:
                ear.wait(pause)
            else:
                ear.forget()
                try:
                    answer = ear.news or ledger.get(task_id)
                except SettledError as error:
                    answer = error
    except StopIteration as stop:
        return _ending(stop)
    finally:
        ledger.bell.stop(ear)


async def await_(ledger: Ledger, task_id: str, timeout: float | None = None) -> Ending:
    """The same on an event loop."""
    begun = time.monotonic()
    loop = asyncio.get_running_loop()
    ear = ledger.bell.listen(task_id, loop)
    try:
        if task_id in ledger.here:  # its end cannot be missed in this process: often no look is needed
            if timeout is None:
                rounds = ledger.bell.rounds(loop)
                try:
                    await rounds.join(ear)
                finally:
                    rounds.leave(ear)
            else:
                await ear.await_(min(LOOK_AGAIN, timeout))
            if ear.news is not None:
                return ending_of(ear.news)
        machine = waiting(timeout, time.monotonic, begun)
        pause = next(machine)
        while True:
            answer: Seen | None = None
            if pause is not LOOK:
                await ear.await_(pause)
            else:
                ear.forget()
                answer = ear.news or await _seen(ledger, task_id)
            pause = machine.send(answer)
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


async def _seen(ledger: Ledger, task_id: str) -> Seen:
    try:
        return await ledger.aget(task_id)
    except SettledError as error:
        return error


def _ending(stop: StopIteration) -> Ending:
    ending: Ending = stop.value
    return ending
