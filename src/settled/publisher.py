"""Hands new tasks to an engine, and again those that it may have lost: the rows are the outbox.

On a thread of its own, since a broker that hangs must hold up neither commits nor the server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

from settled.commits import Inserted
from settled.engines.base import EngineRefused, Message, RemoteEngine
from settled.engines.registered import Registered
from settled.ledger import Ledger
from settled.periodic import AFTER_AN_ERROR, REPEAT_A_WARNING, Periodic
from settled.post import Post
from settled.records import Snapshot

log = logging.getLogger("settled")
TICK = 0.25
"""Seconds between two looks for tasks to be published again, and for further attempts that are due."""
AT_ONCE = 500
"""Tasks that are taken from the ledger to be published again, at a time."""
MOST = 10_000
"""Tasks kept in memory while the engine is away; what is beyond is published from its row, later."""
HARD_LIMIT_SECONDS = 5.0
"""Beyond timeout and kill grace, when an engine may kill whatever still runs the attempt."""


class Publisher:
    """One process's way to its engine."""

    def __init__(self, ledger: Ledger, engine: RemoteEngine, functions: Mapping[str, Registered]) -> None:
        self._ledger = ledger
        self._engine = engine
        self._functions = functions
        self._queue: deque[Snapshot] = deque()
        self._emptied = threading.Event()
        self._away_until = 0.0
        self._silent_until = 0.0
        self._look_at = 0.0
        self._thread = Periodic("settled-publisher", self._step)

    def start(self) -> None:
        """Begin; from now on whatever this process inserts is published."""
        self._engine.prepare()
        self._ledger.commits.inserted = self.inserted
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Publish what is queued, within ``patience`` seconds, and let go of the engine."""
        if self._queue:
            self._emptied.clear()
            self._thread.wake()
            self._emptied.wait(patience)
        self._thread.stop(patience)
        self._engine.close()

    def inserted(self, rows: Sequence[Inserted], post: Post) -> None:
        """Told by the writer of what was committed."""
        if len(self._queue) < MOST:
            mine = [row for _, (row, created) in rows if created and row.name in self._functions]
            free = [row for row in mine if row.lane is None]
            self._queue.extend(free)
            if len(free) < len(mine):  # the others as far as their lanes have room
                self._look_at = 0.0
            self._thread.wake()

    def _step(self) -> float:
        away_for = self._away_until - time.monotonic()
        if away_for > 0 or not self._publish_queued():
            return max(away_for, TICK)
        now = time.monotonic()
        if now < self._look_at:
            return self._look_at - now
        self._look_at = now + TICK
        again = self._ledger.unpublished(list(self._functions), AT_ONCE)
        if not again:
            return TICK
        self._queue.extend(again)
        self._look_at = 0.0
        return 0.0

    def _publish_queued(self) -> bool:
        """Whether all of it could be handed over."""
        while self._queue:
            now = self._ledger.store.now()
            count = min(len(self._queue), self._engine.at_once)
            rows = [row for row in islice(self._queue, count) if row.deadline_at > now]
            try:
                if rows:
                    self._publish(rows)
            except Exception as error:  # whatever a broker's client raises while the broker is away
                self._away_until = time.monotonic() + AFTER_AN_ERROR
                self._say(error)
                return False
            for _ in range(count):
                self._queue.popleft()
        self._emptied.set()
        return True

    def _publish(self, rows: Sequence[Snapshot]) -> None:
        try:
            self._engine.publish([self._message(row) for row in rows])
        except EngineRefused as error:
            if len(rows) == 1:
                self._ledger.refuse(rows[0].id, f"{self._engine.name} refused the task: {error}")
            else:
                for row in rows:
                    self._publish([row])

    def _message(self, row: Snapshot) -> Message:
        grace = self._functions[row.name].function.kill_grace
        return Message(row.id, row.name, row.timeout_ms / 1000 + grace + HARD_LIMIT_SECONDS)

    def _say(self, error: Exception) -> None:
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + REPEAT_A_WARNING
            log.warning(
                "%s cannot be reached, so what is submitted waits in the ledger and is published later: %s: %s",
                self._engine.name, type(error).__name__, error,
            )  # fmt: skip
