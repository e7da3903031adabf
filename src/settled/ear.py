"""Somebody in this process who listens for a task, in a thread or on an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from settled.records import Snapshot


class Turn(asyncio.Future[None]):
    """What one task awaits, and can go on from at once instead of by a handle in the loop's queue.

    With thousands that are told the same there would be thousands of handles before the first goes on, enough to have
    the garbage collector walk through everything: half of the time in which they are told.
    """

    __slots__ = ("_context", "_wakeup")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._wakeup: Callable[[Any], object] | None = None
        self._context: Context | None = None

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """As any future; of a task that awaits it."""
        if self.done():
            super().add_done_callback(fn, context=context)
        else:
            self._wakeup, self._context = fn, context or copy_context()

    def set_result(self, result: None, /) -> None:
        """As any future."""
        super().set_result(result)
        self._in_turn()

    def cancel(self, msg: Any = None) -> bool:
        """As any future."""
        cancelled = super().cancel(msg)
        if cancelled:
            self._in_turn()
        return cancelled

    def _in_turn(self) -> None:
        if self._wakeup is not None:
            super().add_done_callback(self._wakeup, context=self._context)

    def go_on(self) -> None:
        """Be done, and have the task go on; from a callback of the loop, where no task runs."""
        super().set_result(None)
        if self._wakeup is not None and self._context is not None:
            self._context.run(self._wakeup, self)


class Ear:
    """One listener: in a thread, or on an event loop."""

    __slots__ = ("_event", "_future", "has_rung", "loop", "news", "task_id")

    def __init__(self, task_id: str, loop: asyncio.AbstractEventLoop | None) -> None:
        self.task_id = task_id
        self.loop = loop
        self.news: Snapshot | None = None  # the task's last word, if the ringer knew it
        self._event = threading.Event() if loop is None else None
        self._future: asyncio.Future[None] | None = None
        self.has_rung = False

    @property
    def told(self) -> bool:
        """Whether it was woken with the task's last word; one that was only meant to be may be woken again."""
        return self.has_rung and self.news is not None

    def ring(self) -> None:
        """Wake the listener; on its own loop, or from anywhere for a thread."""
        self.has_rung = True
        if self._event is not None:
            self._event.set()
        else:
            self.let_go()

    def let_go(self) -> None:
        """End its wait on the event loop, without a ring."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def forget(self) -> None:
        """Listen anew, for what comes from now on."""
        self.has_rung = False
        if self._event is not None:
            self._event.clear()

    def wait(self, seconds: float) -> None:
        """Wait in a thread for a ring, for at most so many seconds."""
        assert self._event is not None
        self._event.wait(seconds)

    async def await_(self, seconds: float) -> bool:
        """The same on the event loop; whether it has rung."""
        if not self.has_rung and self.loop is not None:
            timer = self.loop.call_later(seconds, self.let_go)
            try:
                await self.turn()
            finally:
                timer.cancel()
        return self.has_rung

    def turn(self) -> Turn:
        """Done when it rings; to be awaited by a task."""
        assert self.loop is not None
        self._future = turn = Turn(self.loop)
        return turn

    def rung(self) -> asyncio.Future[None]:
        """The same for one who waits for several."""
        assert self.loop is not None
        self._future = self.loop.create_future()
        if self.has_rung:
            self._future.set_result(None)
        return self._future

    def go_on(self) -> None:
        """Have who waits on the event loop go on at once; from a callback of the loop."""
        if isinstance(self._future, Turn) and not self._future.done():
            self._future.go_on()
        else:
            self.let_go()
