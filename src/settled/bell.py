"""Tells whoever waits in this process that a task's row has changed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence

from settled.ear import Ear
from settled.post import Post
from settled.records import Snapshot
from settled.rounds import Rounds

ROUND = 5.0
"""Seconds after which one who waits for news of this process looks for itself."""


class Bell:
    """Listeners by task id. A ring without news is a hint: its hearer reads the row for itself."""

    def __init__(self) -> None:
        self._ears: dict[str, dict[Ear, None]] = {}
        self._rounds: dict[asyncio.AbstractEventLoop, Rounds] = {}
        self._guard = threading.RLock()  # a collection of garbage in the middle may end one that listens

    def listen(self, task_id: str, loop: asyncio.AbstractEventLoop | None = None) -> Ear:
        """Begin to listen on an event loop, or in a thread (no loop). Listen first, then read; ``stop`` at the end."""
        ear = Ear(task_id, loop)
        with self._guard:
            ears = self._ears.setdefault(task_id, {})
            ears[ear] = None
            self._ears[task_id] = ears  # were it the last other one that has just been ended
        return ear

    def rounds(self, loop: asyncio.AbstractEventLoop) -> Rounds:
        """The long waits on this loop."""
        rounds = self._rounds.get(loop)
        if rounds is None:
            self._rounds = {known: found for known, found in self._rounds.copy().items() if not known.is_closed()}
            self._rounds[loop] = rounds = Rounds(loop)
        return rounds

    def stop(self, ear: Ear) -> None:
        """Listen no more."""
        with self._guard:
            ears = self._ears.get(ear.task_id, {})
            ears.pop(ear, None)
            if not ears:
                self._ears.pop(ear.task_id, None)

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
        for task_id in ids:
            # Without the lock, for an event loop would wait for it; who listens only now reads later. To copy a dict
            # takes no step of Python in which another thread could change it.
            for ear in self._ears.get(task_id, {}).copy():
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


def _ring(ears: Sequence[Ear]) -> None:
    """Once all is delivered that came with it, for whoever goes on may ask for that."""
    loop = ears[0].loop
    assert loop is not None
    for ear in ears:
        ear.has_rung = True
    loop.call_soon(_go_on, ears)


def _go_on(ears: Sequence[Ear]) -> None:
    waiting = iter(ears)
    try:
        for ear in waiting:
            if ear.has_rung:  # and has not looked and begun to listen anew meanwhile
                ear.go_on()
    finally:
        for ear in waiting:  # one has ended the loop, by SystemExit say; should it run again, the others are not lost
            ear.let_go()
