"""The stage on which a plot plays: the tasks of one fault, and the workers that are harmed for their sake."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from typing import Self

from settled import Status, Task
from settled.demo.ledger import is_locked
from settled.demo.victims import Victim, Victims

LOOK_EVERY = 0.1  # seconds


class Stage:
    """Tasks of one name and their workers: ``async with Stage(tasks, victims) as stage``.

    Whatever happens on it, its workers are ended when it is left.
    """

    def __init__(self, tasks: Sequence[Task], victims: Victims) -> None:
        self._tasks = tasks
        self._victims = victims
        self._started: list[Victim] = []

    async def worker(self) -> Victim:
        """Start a worker for the tasks of this stage."""
        victim = await self._victims.start(self._tasks[0].snapshot.name)
        self._started.append(victim)
        return victim

    async def running(self, attempt: int = 1) -> None:
        """Wait until every task runs as this attempt, or has settled."""
        for task in self._tasks:
            row = task.snapshot
            while not (row.settled or (row.status is Status.RUNNING and row.attempt >= attempt)):
                await asyncio.sleep(LOOK_EVERY)
                row = await asyncio.to_thread(task.refresh)

    async def freeze(self, victim: Victim) -> None:
        """Stop a worker, but not within a write: nobody else could write to a SQLite file until it goes on."""
        victim.send(signal.SIGSTOP)
        while await asyncio.to_thread(is_locked):
            victim.send(signal.SIGCONT)
            await asyncio.sleep(LOOK_EVERY)
            victim.send(signal.SIGSTOP)

    async def settled(self) -> None:
        """Wait until every task has settled."""
        await asyncio.gather(*self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for victim in self._started:
            await self._victims.end(victim)
