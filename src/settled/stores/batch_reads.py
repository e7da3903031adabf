"""What can be asked of batches: one class over the named statements of either store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from settled.records import Snapshot
from settled.stores.base import BatchState

Rows = list[tuple[Any, ...]]


class BatchReads:
    """``base.Batches`` over a way to ask for rows, and one for tasks; both take a statement's name and values."""

    def __init__(
        self, ask: Callable[..., Rows], tasks: Callable[..., list[Snapshot]], array: Callable[[Sequence[str]], str]
    ) -> None:
        """``array`` makes of texts what the statements take for many."""
        self._ask = ask
        self._tasks = tasks
        self._array = array

    def states(self, batch: str) -> list[BatchState]:
        return [BatchState._make(row) for row in self._ask("batch_states", batch=batch)]

    def page(self, batch: str, after: str | None, limit: int) -> list[Snapshot]:
        return self._tasks("batch_page", batch=batch, after=after, limit=limit)

    def open(self, batch: str, limit: int) -> list[Snapshot]:
        return self._tasks("batch_open", batch=batch, limit=limit)

    def begun(self, batch: str, limit: int) -> list[Snapshot]:
        return self._tasks("batch_begun", batch=batch, limit=limit)

    def ended(self, batch: str, since: int, after: str, limit: int) -> list[Snapshot]:
        return self._tasks("batch_ended", batch=batch, since=since, after=after, limit=limit)

    def failed(self, batch: str, after: str | None, limit: int) -> list[Snapshot]:
        return self._tasks("batch_failed", batch=batch, after=after, limit=limit)

    def failures(self, batch: str, limit: int) -> list[tuple[str, str, str | None, int]]:
        return [(row[0], row[1], row[2], row[3]) for row in self._ask("batch_failures", batch=batch, limit=limit)]

    def overdue(self, batch: str, limit: int) -> list[Snapshot]:
        return self._tasks("batch_overdue", batch=batch, limit=limit)

    def workers(self, batch: str) -> list[str]:
        return [row[0] for row in self._ask("batch_workers", batch=batch)]

    def marks(self, batches: Sequence[str]) -> dict[str, list[object]]:
        found = self._ask("batch_marks", batches=self._array(batches))
        return {row[0]: json.loads(row[1]) for row in found}
