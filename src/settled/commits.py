"""What the commits of this process mean to those in it: what runs here, and who is told of what.

Nothing here changes a task: the writer calls when that has been done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from settled import verdicts
from settled.bell import Bell
from settled.post import Post
from settled.records import NewTask, Snapshot, Verdict
from settled.states import Status
from settled.stores.base import Refresh

Rows = list[Snapshot]
Inserted = tuple[NewTask, tuple[Snapshot, bool]]
"""A new task and what came of it: its row, and whether it was created or its idempotency key named an older one."""


class Commits:
    """Keeps count of what runs in this process, rings for who waits, and tells the engine of what is new."""

    def __init__(self, bell: Bell) -> None:
        self.here: dict[str, Snapshot] = {}
        """Tasks claimed by this process whose end it has not written yet: nothing of theirs can be missed here."""
        self.doubtful = False
        """Whether a task may run under this worker's name of which nobody here was told."""
        self.inserted: Callable[[Sequence[Inserted], Post], None] = lambda rows, post: None
        self.not_inserted: Callable[[NewTask], None] = lambda new: None
        self.lane_freed: Callable[[Post], None] = lambda post: None
        self._bell = bell

    def committed(self, verb: str, payloads: Sequence[Any], results: Sequence[Any], now: int, post: Post) -> None:
        """After each commit of this process: keep count of what runs here, wake who waits for what changed."""
        if verb == "settle":
            for verdict in payloads:  # of a refused one too: its row was ended, or taken on, by another process
                self.here.pop(verdict.id, None)
            self._ended([v for v, won in zip(payloads, results, strict=True) if won], now, post)
        elif verb == "insert":
            inserted = list(zip(payloads, results, strict=True))
            self.here.update((row.id, row) for new, (row, created) in inserted if created and begun_here(new, row))
            self.inserted(inserted, post)
        elif verb == "insert_batch":
            for news, rows in zip(payloads, results, strict=True):
                self.inserted(list(zip(news, rows, strict=False)), post)  # one, where its key named an older batch
        elif verb == "refresh":
            self._refreshed([item for row in payloads for item in row], [task for row in results for task in row], post)
        elif verb == "claim":
            claimed: Rows = [row for rows in results for row in rows]
            self.here.update((row.id, row) for row in claimed)
            self._bell.ring([row.id for row in claimed], None, post)
            self._ring_batches(claimed, post)
        elif verb == "progress":
            self._bell.ring([progress.id for progress in payloads], None, post)

    def failed(self, verb: str, payload: Any) -> None:
        """After a write was given up: the place that a new task was to have is free."""
        if verb == "insert":
            self.not_inserted(payload)
        elif verb == "refresh":
            for item in payload:
                self.not_inserted(item.new)

    def doubted(self, untold: Sequence[Snapshot]) -> None:
        """Note that tasks may have begun here of which nobody was told; and those for which that is certain."""
        for row in untold:
            self.here.pop(row.id, None)
        self.doubtful = True

    def own(self, row: Snapshot) -> None:
        """Note that a task runs here after all."""
        self.here[row.id] = row

    def disown(self, task_id: str) -> None:
        """Note that a task claimed here was ended or taken by another process."""
        self.here.pop(task_id, None)
        self._bell.ring([task_id])

    def _refreshed(self, asked: Sequence[Refresh], tasks: Sequence[Snapshot | None], post: Post) -> None:
        started = [
            (item.new, (task, True)) for item, task in zip(asked, tasks, strict=True) if task and not task.settled
        ]
        self.here.update((row.id, row) for new, (row, _) in started if begun_here(new, row))
        self.inserted(started, post)
        for item, task in zip(asked, tasks, strict=True):
            if task is None or task.settled:
                self.not_inserted(item.new)

    def _ended(self, won: Sequence[Verdict], now: int, post: Post) -> None:
        news = {v.id: verdicts.final(v, now) for v in won if self._bell.heard_by_anyone(v.id)}
        self._bell.ring(news, news, post)
        rows = [v.row for v in won if v.row is not None]
        self._ring_batches(rows, post)
        if any(row.lane is not None for row in rows):
            self.lane_freed(post)

    def _ring_batches(self, rows: Sequence[Snapshot], post: Post) -> None:
        batches = {row.batch for row in rows if row.batch is not None}
        if batches:
            self._bell.ring(batches, None, post)


def begun_here(new: NewTask, row: Snapshot) -> bool:
    """Whether its first attempt began with the submit, for this process.

    One that was sent again, for the answer was lost, may meanwhile have been begun by another.
    """
    own = new.worker is not None and row.worker == new.worker
    return own and row.attempt == 1 and row.status is Status.RUNNING
