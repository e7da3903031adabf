"""Waits for news of keys whose refresh is under way: one wait for all of them, on an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from settled.bell import ROUND
from settled.latest.answer import Latest
from settled.latest.keys import Keys

JUST_AFTER = 0.05
"""Seconds past its bound after which a refresh that nobody has settled is settled by the one who waits."""


async def changed(keys: Keys, before: Sequence[Latest], timeout: float, closing: Callable[[], bool]) -> list[Latest]:
    """Return the keys once one of them has changed, none is under way, the process closes, or time is over."""
    until = time.monotonic() + timeout
    loop = asyncio.get_running_loop()
    bell = (await keys.opened()).bell
    known = [marks(latest) for latest in before]
    ears = [bell.listen(str(latest.task_id), loop) for latest in before if latest.refreshing]
    try:
        while True:
            found = await keys.arun(keys.getting([latest.key for latest in before], "never"))
            under_way = [latest.settles_in for latest in found if latest.refreshing]
            left = until - time.monotonic()
            if [marks(latest) for latest in found] != known or not under_way or left <= 0 or closing():
                return found
            pause = min(left, min(under_way) + JUST_AFTER, ROUND)
            await asyncio.wait([ear.rung() for ear in ears], timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for ear in ears:
                ear.forget()
    finally:
        for ear in ears:
            bell.stop(ear)


def marks(latest: Latest) -> tuple[object, ...]:
    """What a waiter could notice of a key."""
    at = latest.last_error.at if latest.last_error else None
    return latest.task_id, latest.refreshing, latest.got_at, at, latest.failures
