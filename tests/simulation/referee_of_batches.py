"""Judges the batches: each is there whole or not at all, and its counts are those of its tasks."""

from __future__ import annotations

from typing import Any

from settled.records import BatchEnding, Snapshot
from settled.states import End, Status


class Batches:
    """Every batch of one run."""

    def __init__(self, referee: Any) -> None:
        self._referee = referee
        self._sizes: dict[str, int] = {}

    def asked(self, batch: str, size: int) -> None:
        """Somebody is about to submit it."""
        self._sizes[batch] = size

    def submitted(self, batch: str) -> None:
        """Who submitted it was told so."""
        whole = len(self._rows(batch)) == self._sizes[batch]
        self._referee.expect(whole, "a batch was confirmed, and is not there or only in part")

    def ended(self, batch: str, waiter: Any, ending: BatchEnding) -> None:
        """Who waited for it was told this."""
        expect = self._referee.expect
        rows = self._rows(batch)
        good = sum(row.status is Status.COMPLETED for row in rows)
        if ending.end in (End.COMPLETED, End.FAILED) and ending.snapshot is not None:
            told = (ending.snapshot.completed, ending.snapshot.failed)
            expect(told == (good, len(rows) - good), "who waited for a batch was told untrue counts", told, good)
            expect((ending.end is End.COMPLETED) == (good == len(rows)), "a batch ended as it did not", ending.end)
            return
        reached = self._referee.undisturbed(waiter, max(rows, key=lambda row: row.settles_at), str(ending.message))
        expect(not reached, "who waited was not told, though somebody could", waiter.kind, ending.message)

    def finish(self) -> None:
        """At the end of the run."""
        for batch, size in self._sizes.items():
            self._referee.expect(len(self._rows(batch)) in (0, size), "a part of a batch is there")

    def _rows(self, batch: str) -> list[Snapshot]:
        return [row for row in self._referee.stage.database.rows.values() if row.batch == batch]
