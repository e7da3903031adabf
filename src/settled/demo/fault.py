"""One thing that can go wrong: how it is caused, where, and how it must end."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from inspect import iscoroutinefunction
from typing import Any

from settled import Reason, TaskFunction, Tasks

Plot = Callable[..., Awaitable[None]]
"""What is done from outside while the task runs, given its ``Stage`` or its ``Scratch`` ledger."""


class Place(StrEnum):
    """What a fault befalls."""

    SERVER = "server"  # a task of the server's own; at worst a child process of it dies
    WORKER = "worker"  # a worker process that is started to be harmed, since the server would die or freeze
    SCRATCH = "scratch"  # a ledger of its own that is damaged
    NOWHERE = "nowhere"  # there is no task at all


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault in one isolation; ``within`` is the seconds until it must have settled when caused alone."""

    kind: str  # the same fault in other isolations has the same kind
    group: str
    title: str
    what: str
    isolation: str
    place: Place
    status: str
    reason: Reason | None
    within: float
    culprit: Callable[..., Any]
    plot: Plot
    copies: int = 1  # so many tasks at once
    limits: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def register(self, tasks: Tasks) -> TaskFunction[..., Any]:
        """Make the culprit a task function under this fault's name."""
        culprit = _as_coroutine(self.culprit) if self.isolation == "coroutine" else self.culprit
        return tasks.task(name=self.name, isolation=self.isolation, **self.limits)(culprit)

    def as_json(self) -> dict[str, Any]:
        """What ``GET /demo/faults`` says of it."""
        return {
            "name": self.name,
            "title": self.title,
            "what": self.what,
            "isolation": self.isolation,
            "runs_in": self.place,
            "status": self.status,
            "reason": self.reason,
            "within": self.within,
            "kind": self.kind,
            "group": self.group,
        }


def _as_coroutine(culprit: Callable[..., Any]) -> Callable[..., Any]:
    """The same function as ``async def``, so that it does its deed on the event loop."""
    if iscoroutinefunction(culprit):
        return culprit

    @functools.wraps(culprit)
    async def on_the_loop() -> Any:
        return culprit()

    return on_the_loop
