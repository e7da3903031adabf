"""What carries a task to a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from settled.ledger import Inserted
from settled.post import Post
from settled.records import NewTask


class Engine(Protocol):
    """The row is written first; an engine only ever brings it to a ``claim``, which is the one gate."""

    def before_insert(self, new: NewTask) -> NewTask:
        """Called with each task before it is written; may have it born claimed by this process."""

    def inserted(self, rows: Sequence[Inserted], post: Post) -> None:
        """Called when they are durable, on the writer's thread; what is put into the post runs on its loop."""

    def not_inserted(self, new: NewTask) -> None:
        """Called instead, from any thread, when it could not be written."""
