"""A submitted task, in the hands of the one who submitted it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from settled import waiter
from settled.ledger import Ledger
from settled.records import Ending, Snapshot


class Task:
    """One submitted call. ``task.wait()`` on a thread, ``await task`` on an event loop; both always end."""

    __slots__ = ("_ledger", "snapshot")

    def __init__(self, ledger: Ledger, snapshot: Snapshot) -> None:
        self._ledger = ledger
        self.snapshot = snapshot

    @property
    def id(self) -> str:
        """The task's id, which cannot be guessed."""
        return self.snapshot.id

    def refresh(self) -> Snapshot:
        """Look again, and return the task as it stands."""
        self.snapshot = self._ledger.get(self.id)
        return self.snapshot

    def wait(self, timeout: float | None = None) -> Ending:
        """Wait until it settles; with a ``timeout`` (seconds), end as ``aborted`` sooner. Never waits for ever."""
        return self._ended(waiter.wait(self._ledger, self.id, timeout))

    async def await_(self, timeout: float | None = None) -> Ending:
        """The same, on an event loop."""
        return self._ended(await waiter.await_(self._ledger, self.id, timeout))

    def __await__(self) -> Generator[Any, None, Ending]:
        return waiter.await_(self._ledger, self.snapshot.id).__await__()

    def result(self, timeout: float | None = None) -> Any:
        """Wait and return the result; raise ``TaskFailed`` or ``NotSettled`` if there is none."""
        return self.wait(timeout).unwrap()

    def cancel(self) -> Snapshot:
        """Settle it as failed / cancelled; raise ``NotAllowed`` if it has settled already."""
        self.snapshot = self._ledger.cancel(self.id)
        return self.snapshot

    async def acancel(self) -> Snapshot:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.cancel)

    def _ended(self, ending: Ending) -> Ending:
        if ending.snapshot is not None:
            self.snapshot = ending.snapshot
        return ending

    def __repr__(self) -> str:
        return f"<Task {self.snapshot.name} {self.id} {self.snapshot.status}>"
