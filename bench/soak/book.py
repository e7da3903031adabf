"""What the soak knows of every task: looks at the rows without settling them, and notes whatever breaks the promise."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from settled import Ending, Ledger, LedgerUnavailable, Snapshot

AT_ONCE = 200


class Book:
    """The tasks of one soak. Its ledger runs no sweeper: what it sees was settled by the processes under test."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.open: set[str] = set()
        self.settled: dict[str, str] = {}
        self.waits: Counter[str] = Counter()
        self.broken: list[str] = []
        """Each line is a promise that did not hold."""
        self.late: list[float] = []
        """Seconds past ``settles_at`` at which an expiry was written down; readers were answered on time."""
        self.outcomes: Counter[str] = Counter()
        self.unanswered = 0
        """Looks that the ledger could not answer, being locked."""
        self._told: list[tuple[str, str]] = []

    def add(self, task_id: str) -> None:
        """A task was submitted, and that was confirmed."""
        if task_id not in self.settled:
            self.open.add(task_id)

    def look(self) -> None:
        """See to every open task; from any thread, one at a time."""
        ids = sorted(self.open)
        for start in range(0, len(ids), AT_ONCE):
            try:
                rows = self.ledger.store.read(ids[start : start + AT_ONCE])
            except LedgerUnavailable:
                self.unanswered += 1
                continue
            for row in rows:
                self._see(row)

    def _see(self, row: Snapshot) -> None:
        if not row.settled:
            if row.as_of > row.settles_at:
                self._ask(row.id)
            return
        self.open.discard(row.id)
        self.settled[row.id] = _word(row)
        self.outcomes[outcome(row)] += 1
        assert row.finished_at is not None
        if row.finished_at > row.settles_at:
            self.late.append((row.finished_at - row.settles_at) / 1000)

    def _ask(self, task_id: str) -> None:
        """As a page does; after the bound there is no open answer, whatever can be written."""
        try:
            row = self.ledger.get(task_id)
        except LedgerUnavailable:
            self.unanswered += 1
            return
        if not row.settled:
            self.broken.append(f"{task_id} ({row.name}) was answered {row.status} past its bound")

    def ended(self, task_id: str, ending: Ending) -> None:
        """Somebody's wait over HTTP has ended."""
        self.waits[ending.end] += 1
        if ending.end == "unknown" and task_id:
            self.broken.append(f"who waited for {task_id} was told that there is no such task")
        if ending.end in ("completed", "failed"):
            self._told.append((task_id, f"{ending.end} {ending.reason or ''}"))

    def close(self) -> dict[str, int]:
        """Read every row of the ledger again, and compare; return how many there are, known and found besides."""
        rows = {row.id: row for row in self._all()}
        for task_id in self.open | self.settled.keys():
            if task_id not in rows:
                self.broken.append(f"{task_id} is gone")
        for row in rows.values():
            self._verify(row)
        for task_id, said in self._told:
            row = rows.get(task_id)
            if row is not None and said != f"{row.status} {row.reason or ''}":
                self.broken.append(f"who waited for {task_id} was told {said}, and it is {row.status} {row.reason}")
        besides = [row for row in rows.values() if row.id not in self.settled and row.id not in self.open]
        self.outcomes.update(outcome(row) for row in besides)
        return {"rows": len(rows), "found besides": len(besides)}

    def _verify(self, row: Snapshot) -> None:
        if not row.settled:
            self.broken.append(f"{row.id} ({row.name}) is {row.status} at the end")
        elif row.id in self.settled and self.settled[row.id] != _word(row):
            self.broken.append(f"{row.id} ({row.name}) has changed after it had settled")
        elif row.status == "failed" and not (row.reason and row.error_message):
            self.broken.append(f"{row.id} ({row.name}) has failed without a reason")
        elif row.status == "completed" and (row.finished_at or 0) > row.settles_at:
            self.broken.append(f"{row.id} ({row.name}) was completed past its bound")

    def _all(self) -> Iterator[Snapshot]:
        before: str | None = None
        while rows := self.ledger.list(limit=1_000, before=before):
            yield from rows
            before = rows[-1].id


def outcome(row: Snapshot) -> str:
    """``completed``, or the reason of the failure."""
    return str(row.reason or row.status)


def _word(row: Snapshot) -> str:
    said: tuple[Any, ...] = (
        row.status, row.reason, row.result_data, row.error_message, row.finished_at, row.attempt, row.traceback
    )  # fmt: skip
    return hashlib.blake2b(repr(said).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
