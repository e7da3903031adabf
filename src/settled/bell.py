"""Tells whoever waits in this process that a task's row has changed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping

from settled.post import Post
from settled.records import Snapshot

ROUND = 5.0
"""Seconds after which one who waits for news of this process looks for itself."""


class Ear:
    """One listener: in a thread, or on an event loop."""

    __slots__ = ("_event", "_future", "_rung", "loop", "news", "task_id")

    def __init__(self, task_id: str, loop: asyncio.AbstractEventLoop | None) -> None:
        self.task_id = task_id
        self.loop = loop
        self.news: Snapshot | None = None  # the task's last word, if the ringer knew it
        self._event = threading.Event() if loop is None else None
        self._future: asyncio.Future[None] | None = None
        self._rung = False

    @property
    def told(self) -> bool:
        """Whether it was woken with the task's last word; one that was only meant to be may be woken again."""
        return self._rung and self.news is not None

    def ring(self) -> None:
        """Wake the listener; on its own loop, or from anywhere for a thread."""
        self._rung = True
        if self._event is not None:
            self._event.set()
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def forget(self) -> None:
        """Listen anew, for what comes from now on."""
        self._rung = False
        if self._event is not None:
            self._event.clear()

    def wait(self, seconds: float) -> None:
        """Wait in a thread for a ring, for at most so many seconds."""
        assert self._event is not None
        self._event.wait(seconds)

    async def await_(self, seconds: float) -> bool:
        """The same on the event loop; whether it has rung."""
        if not self._rung and self.loop is not None:
            future = self.rung()
            timer = self.loop.call_later(seconds, _done, future)
            try:
                await future
            finally:
                timer.cancel()
        return self._rung

    def rung(self) -> asyncio.Future[None]:
        """Done when it rings; on the event loop, for one waiter."""
        assert self.loop is not None
        self._future = self.loop.create_future()
        if self._rung:
            self._future.set_result(None)
        return self._future


def _ring(ears: Iterable[Ear]) -> None:
    for ear in ears:
        ear.ring()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Rounds:
    """Rings those on one event loop who have waited long, from one timer for all: one each costs more than the wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: dict[Ear, float] = {}  # in the order in which they are due
        self._timer: asyncio.TimerHandle | None = None

    def join(self, ear: Ear) -> asyncio.Future[None]:
        """Done when the ear rings, in about ``ROUND`` seconds at the latest; ``leave`` afterwards."""
        self._due[ear] = self._loop.time() + ROUND
        if self._timer is None:
            self._timer = self._loop.call_later(ROUND / 10, self._go)
        return ear.rung()

    def leave(self, ear: Ear) -> None:
        """It does not wait any more."""
        self._due.pop(ear, None)

    def _go(self) -> None:
        now = self._loop.time()
        while self._due and next(iter(self._due.values())) <= now:
            ear = next(iter(self._due))
            del self._due[ear]
            ear.ring()
        self._timer = self._loop.call_later(ROUND / 10, self._go) if self._due else None


class Bell:
    """Listeners by task id. A ring without news is a hint: its hearer reads the row for itself."""

    def __init__(self) -> None:
        self._ears: dict[str, list[Ear]] = {}
        self._rounds: dict[asyncio.AbstractEventLoop, Rounds] = {}
        self._guard = threading.Lock()

    def listen(self, task_id: str, loop: asyncio.AbstractEventLoop | None = None) -> Ear:
        """Begin to listen on an event loop, or in a thread (no loop). Listen first, then read; ``stop`` at the end."""
        ear = Ear(task_id, loop)
        with self._guard:
            self._ears.setdefault(task_id, []).append(ear)
        return ear

    def rounds(self, loop: asyncio.AbstractEventLoop) -> Rounds:
        """What rings the ears of this loop that have waited long."""
        rounds = self._rounds.get(loop)
        if rounds is None:
            self._rounds = {known: found for known, found in self._rounds.items() if not known.is_closed()}
            self._rounds[loop] = rounds = Rounds(loop)
        return rounds

    def stop(self, ear: Ear) -> None:
        """Listen no more."""
        with self._guard:
            ears = self._ears[ear.task_id]
            ears.remove(ear)
            if not ears:
                del self._ears[ear.task_id]

    def heard_by_anyone(self, task_id: str) -> bool:
        """Whether somebody listens for this task."""
        return task_id in self._ears

    def watched(self) -> list[str]:
        """The ids that somebody waits for."""
        with self._guard:
            return list(self._ears)

    def ring(
        self, ids: Iterable[str], news: Mapping[str, Snapshot | None] | None = None, post: Post | None = None
    ) -> None:
        """Wake all who wait for these tasks; from any thread. With a ``post``, when that is sent."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Ear]] = {}
        for task_id in ids:  # without the lock, for an event loop would wait for it; who listens only now reads later
            for ear in tuple(self._ears.get(task_id, ())):
                if ear.told:
                    continue
                if news is not None:
                    ear.news = news.get(task_id)
                if ear.loop is None:
                    ear.ring()
                elif ear.loop in by_loop:
                    by_loop[ear.loop].append(ear)
                else:
                    by_loop[ear.loop] = [ear]
        sent = post or Post()
        for loop, ears in by_loop.items():
            sent.add(loop, _ring, ears)
        if post is None:
            sent.send()

    def ring_all(self) -> None:
        """Wake everybody, as when the process is about to end."""
        self.ring(self.watched())
