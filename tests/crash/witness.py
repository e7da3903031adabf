"""Watches every row with eyes of its own during a test, and notes what must never be seen."""

from __future__ import annotations

import threading
import time

from settled.states import MOVES, Status
from tests.crash.eyes import Eyes, Row, Unseen

FIXED = ("name", "arguments", "created_at", "settles_at", "max_attempts", "timeout_ms")
TICK = 0.05
_STEPS = {(str(before), str(after)) for before, after in MOVES} | {(str(same), str(same)) for same in Status}


class Witness:
    """Looks at all rows many times a second."""

    def __init__(self, eyes: Eyes) -> None:
        self.violations: list[str] = []
        self._eyes = eyes
        self._seen: dict[str, Row] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """End; raise if anything was noted."""
        self._stop.set()
        self._thread.join(timeout=10)
        assert not self.violations, "\n".join(self.violations)

    def _watch(self) -> None:
        pause = TICK
        while not self._stop.wait(pause):
            begun = time.monotonic()
            self._look()
            pause = max(TICK, 5 * (time.monotonic() - begun))  # thousands of rows must not keep the machine busy
        self._look()

    def _look(self) -> None:
        try:
            rows = self._eyes.table("task_results")
        except Unseen:
            return
        for row in rows:
            before = self._seen.get(row["id"])
            if before is not None and before != row:
                self.violations += [f"{row['id']} {row['name']}: {said}" for said in wrong(before, row)]
            self._seen[row["id"]] = row


def wrong(before: Row, after: Row) -> list[str]:
    """What must not happen between two looks at a row."""
    said = []
    if Status(before["status"]).terminal:
        said.append(
            f"it had settled as {before['status']}/{before['reason']} and became {after['status']}/{after['reason']}"
        )
    elif after["attempt"] == before["attempt"] and (before["status"], after["status"]) not in _STEPS:
        said.append(f"it moved from {before['status']} to {after['status']}")
    if after["attempt"] < before["attempt"]:
        said.append(f"attempt went from {before['attempt']} to {after['attempt']}")
    said += [f"{name} went from {before[name]} to {after[name]}" for name in FIXED if before[name] != after[name]]
    return said
