"""Claims what is brought on an event loop: one claim for all that comes at nearly the same time.

An engine that fetches its jobs one after the other brings them so, a few milliseconds apart. A claim each would be
a commit each, and the commits are what a task costs most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from settled.records import Snapshot

LINGER = 0.01
"""Seconds between two claims, at least: what comes sooner shares the next one."""
Claims = Callable[[Sequence[str]], asyncio.Future[list[Snapshot]]]
T = TypeVar("T")


class Passed(NamedTuple, Generic[T]):
    """What became of one task at the gate."""

    begun: T | None  # what ``begin`` made of it
    unsure: bool = False  # the ledger did not answer, so it may have been claimed all the same


class Gate(Generic[T]):
    """The claims of one event loop; ``begin`` is called with each row that is let through, whoever still waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, claim: Claims, begin: Callable[[Snapshot], T]) -> None:
        self._loop = loop
        self._claim = claim
        self._begin = begin
        self._asked: list[tuple[str, asyncio.Future[Passed[T]]]] = []
        self._open_at = 0.0

    @property
    def asked(self) -> bool:
        """Whether a claim is about to be made."""
        return bool(self._asked)

    def ask(self, task_id: str) -> asyncio.Future[Passed[T]]:
        """Claim the task, within ``LINGER``; done when it has begun or was turned away."""
        asked: asyncio.Future[Passed[T]] = self._loop.create_future()
        if not self._asked:
            self._loop.call_later(max(0.0, self._open_at - self._loop.time()), self._open)
        self._asked.append((task_id, asked))
        return asked

    def _open(self) -> None:
        asked, self._asked = self._asked, []
        self._open_at = self._loop.time() + LINGER
        claim = self._claim([task_id for task_id, _ in asked])
        claim.add_done_callback(partial(self._answered, asked))

    def _answered(
        self, asked: Sequence[tuple[str, asyncio.Future[Passed[T]]]], claim: asyncio.Future[list[Snapshot]]
    ) -> None:
        unsure = claim.exception() is not None
        rows = {} if unsure else {row.id: row for row in claim.result()}
        for task_id, future in asked:
            row = rows.pop(task_id, None)  # of two that ask for one task, the first has it
            begun = None if row is None else self._begin(row)
            if not future.done():
                future.set_result(Passed(begun, unsure))
