"""Tells whoever waits in this process that a task's row has changed; a hint, never a truth."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

Ear = asyncio.Event | threading.Event


class Bell:
    """Listeners by task id. Ringing wakes them; each then reads the row for itself."""

    def __init__(self) -> None:
        self._ears: dict[str, list[tuple[Ear, asyncio.AbstractEventLoop | None]]] = {}
        self._guard = threading.Lock()

    @contextmanager
    def listen(self, task_id: str) -> Iterator[asyncio.Event]:
        """Give an event of the running loop that is set at the task's next change. Listen first, then read."""
        ear = asyncio.Event()
        with self._listening(task_id, ear, asyncio.get_running_loop()):
            yield ear

    @contextmanager
    def listen_in_thread(self, task_id: str) -> Iterator[threading.Event]:
        """The same for a thread."""
        ear = threading.Event()
        with self._listening(task_id, ear, None):
            yield ear

    def watched(self) -> list[str]:
        """The ids that somebody waits for."""
        with self._guard:
            return list(self._ears)

    def ring(self, ids: Iterable[str]) -> None:
        """Wake all who wait for these tasks; from any thread, one wake-up for each event loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Ear]] = {}
        with self._guard:
            if not self._ears:
                return
            for task_id in ids:
                for ear, loop in self._ears.get(task_id, ()):
                    if loop is None:
                        ear.set()
                    else:
                        by_loop.setdefault(loop, []).append(ear)
        for loop, ears in by_loop.items():
            try:
                loop.call_soon_threadsafe(_set_all, ears)
            except RuntimeError:
                pass  # the loop is closed: nobody waits there any more

    def ring_all(self) -> None:
        """Wake everybody, as when the process is about to end."""
        self.ring(self.watched())

    @contextmanager
    def _listening(self, task_id: str, ear: Ear, loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
        entry = (ear, loop)
        with self._guard:
            self._ears.setdefault(task_id, []).append(entry)
        try:
            yield
        finally:
            with self._guard:
                entries = self._ears[task_id]
                entries.remove(entry)
                if not entries:
                    del self._ears[task_id]


def _set_all(ears: Iterable[Ear]) -> None:
    for ear in ears:
        ear.set()
