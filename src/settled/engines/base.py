"""What carries a task to a worker."""

from __future__ import annotations

from typing import Protocol

from settled.records import NewTask, Snapshot


class Engine(Protocol):
    """The row is written first; an engine only ever brings it to a ``claim``, which is the one gate."""

    def before_insert(self, new: NewTask) -> NewTask:
        """Called with each task before it is written; may have it born claimed by this process."""

    def inserted(self, new: NewTask, row: Snapshot, created: bool) -> None:
        """Called when it is durable; ``created`` is False if an idempotency key named an existing one."""

    def not_inserted(self, new: NewTask) -> None:
        """Called instead when it could not be written."""
