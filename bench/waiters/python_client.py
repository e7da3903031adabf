"""``settled.await_`` as a client under test: what a page is for the others is an event loop for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import settled


class PythonWait:
    """One wait, that can be left."""

    def __init__(
        self, copy: int, url: str, tell: Callable[[int, str | None, str], None], grace: float, patience: float
    ) -> None:
        self._copy, self._tell = copy, tell
        self._task = asyncio.ensure_future(settled.await_(url, grace=grace, patience=patience))
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[settled.Ending]) -> None:
        if not task.cancelled():
            error = task.exception()
            self._tell(
                self._copy, *(("error", repr(error)) if error else (task.result().end, task.result().message or ""))
            )

    def leave(self) -> None:
        self._task.cancel()

    async def close(self) -> None:
        self.leave()
        await asyncio.gather(self._task, return_exceptions=True)
