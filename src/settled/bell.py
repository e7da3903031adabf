"""Tells whoever waits in this process that a task's row has changed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from settled.records import Snapshot


class Ear:
    """One listener: an event, and the task's last word if the ringer knew it."""

    __slots__ = ("event", "fresh", "loop", "news")

    def __init__(self, event: asyncio.Event | threading.Event, loop: asyncio.AbstractEventLoop | None) -> None:
        self.event = event
        self.loop = loop
        self.news: Snapshot | None = None
        self.fresh = True  # nothing has been looked at yet


class Bell:
    """Listeners by task id. A ring without news is a hint: its hearer reads the row for itself."""

    def __init__(self) -> None:
        self._ears: dict[str, list[Ear]] = {}
        self._guard = threading.Lock()

    @contextmanager
    def listen(self, task_id: str, loop: asyncio.AbstractEventLoop | None = None) -> Iterator[Ear]:
        """Listen on an event loop, or in a thread (no loop), for the task's next change. Listen first, then read."""
        ear = Ear(threading.Event() if loop is None else asyncio.Event(), loop)
        with self._guard:
            self._ears.setdefault(task_id, []).append(ear)
        try:
            yield ear
        finally:
            with self._guard:
                ears = self._ears[task_id]
                ears.remove(ear)
                if not ears:
                    del self._ears[task_id]

    def watched(self) -> list[str]:
        """The ids that somebody waits for."""
        with self._guard:
            return list(self._ears)

    def ring(self, ids: Iterable[str], news: Mapping[str, Snapshot] | None = None) -> None:
        """Wake all who wait for these tasks; from any thread, one wake-up for each event loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Ear]] = {}
        with self._guard:
            if not self._ears:
                return
            for task_id in ids:
                for ear in self._ears.get(task_id, ()):
                    if news is not None:
                        ear.news = news.get(task_id)
                    if ear.loop is None:
                        ear.event.set()
                    else:
                        by_loop.setdefault(ear.loop, []).append(ear)
        for loop, ears in by_loop.items():
            try:
                loop.call_soon_threadsafe(_set_all, ears)
            except RuntimeError:
                pass  # the loop is closed: nobody waits there any more

    def ring_all(self) -> None:
        """Wake everybody, as when the process is about to end."""
        self.ring(self.watched())


def _set_all(ears: Iterable[Ear]) -> None:
    for ear in ears:
        ear.event.set()
