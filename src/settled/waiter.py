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

from settled.errors import BadTaskId, LedgerUnavailable, SettledError, TaskNotFound
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


def waiting(timeout: float | None, clock: Callable[[], float]) -> Machine:
    """Yield ``LOOK`` or seconds to pause; be sent what was seen; return the ending."""
    begun = clock()
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
            bound, seen_at, trouble = now + seen.settles_in + GRACE, now, 0.0
            pause = min(LOOK_AGAIN, seen.settles_in + 0.05)
        elif isinstance(seen, (TaskNotFound, BadTaskId)):
            return Ending(End.UNKNOWN, None, None, str(seen))
        elif not isinstance(seen, LedgerUnavailable):
            raise seen or SettledError("Nothing was seen.")
        else:
            pause = trouble = min(2.0, trouble * 2 or 0.1)
        if now >= bound:
            since = "ever" if seen_at is None else f"for {now - seen_at:.0f} s"
            return Ending(End.UNREACHABLE, None, None, f"The ledger has not answered {since}: {seen}")
        if mine is not None and now >= mine:
            return Ending(
                End.ABORTED, None, None, f"You waited {timeout:g} s, as asked; the task goes on and settles within {bound - now:.0f} s."
            )
        yield max(0.0, min(pause, bound - now, pause if mine is None else mine - now))


def wait(ledger: Ledger, task_id: str, timeout: float | None = None) -> Ending:
    """Wait in a thread until the task settles; ``timeout`` (seconds) makes it end as ``aborted`` sooner."""
    machine = waiting(timeout, time.monotonic)
    answer: Seen | None = None
    with ledger.bell.listen_in_thread(task_id) as ear:
        while True:
            try:
                pause = machine.send(answer)
            except StopIteration as stop:
                return _ending(stop)
            answer = None
            if pause is None:
                ear.clear()
                try:
                    answer = ledger.get(task_id)
                except SettledError as error:
                    answer = error
            else:
                ear.wait(pause)


async def await_(ledger: Ledger, task_id: str, timeout: float | None = None) -> Ending:
    """The same on an event loop."""
    machine = waiting(timeout, time.monotonic)
    answer: Seen | None = None
    with ledger.bell.listen(task_id) as ear:
        while True:
            try:
                pause = machine.send(answer)
            except StopIteration as stop:
                return _ending(stop)
            answer = None
            if pause is None:
                ear.clear()
                try:
                    answer = await ledger.aget(task_id)
                except SettledError as error:
                    answer = error
            else:
                await heard(ear, pause)


async def changed(ledger: Ledger, task_id: str, timeout: float) -> Snapshot:
    """Return the task at its next change, or as it is after ``timeout`` seconds; at once if it has settled."""
    with ledger.bell.listen(task_id) as ear:
        row = await ledger.aget(task_id)
        if row.settled or timeout <= 0:
            return row
        await heard(ear, min(timeout, row.settles_in + 0.05))
        return await ledger.aget(task_id)


async def heard(ear: asyncio.Event, seconds: float) -> bool:
    """Wait for the bell, for at most so many seconds."""
    if ear.is_set():
        return True
    timer = asyncio.get_running_loop().call_later(seconds, ear.set)
    try:
        await ear.wait()
        return True
    finally:
        timer.cancel()


def _ending(stop: StopIteration) -> Ending:
    ending: Ending = stop.value
    return ending
