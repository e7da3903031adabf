"""Deliveries to event loops from another thread: many calls, one wake-up for each loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

Call = tuple[Callable[..., object], Any]


class Post:
    """Collects calls of one argument each, and sends them all at once, in order."""

    __slots__ = ("_by_loop",)

    def __init__(self) -> None:
        self._by_loop: dict[asyncio.AbstractEventLoop, list[Call]] = {}

    def add(self, loop: asyncio.AbstractEventLoop, call: Callable[[Any], object], argument: Any) -> None:
        """Have ``call(argument)`` run on the loop."""
        calls = self._by_loop.get(loop)
        if calls is None:
            self._by_loop[loop] = calls = []
        calls.append((call, argument))

    def send(self) -> None:
        """Wake each loop once."""
        for loop, calls in self._by_loop.items():
            try:
                loop.call_soon_threadsafe(_deliver, calls)
            except RuntimeError:
                pass  # the loop is closed: nobody waits there any more


def _deliver(calls: Sequence[Call]) -> None:
    for call, argument in calls:
        call(argument)
