"""The few things that reading and changing keys does with a ledger, each for a thread and for an event loop.

What is done in which order is a generator of such steps (``function``), so that it is written once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from settled.errors import NotAllowed, TaskNotFound
from settled.latest.answer import Look, after_end
from settled.ledger import Ledger
from settled.records import LatestRow, NewTask
from settled.stores.base import Refresh

T = TypeVar("T")
TRIES = 5


class Home(Protocol):
    """What the keys need of ``Tasks``."""

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened."""

    @property
    def at_hand(self) -> Ledger | None:
        """The ledger, if it is open in this process."""

    @property
    def runs_tasks(self) -> bool:
        """Whether tasks run in this process already, or are never to."""

    def run_tasks(self) -> None:
        """Begin to run tasks here, if this process does; it may block for a while, the first time."""

    def before_start(self, new: NewTask) -> NewTask:
        """Have a task that is about to be written born claimed by this process, if a place is free."""


class Step(Protocol):
    """One step."""

    def run(self, ledger: Ledger) -> Any:
        """Do it, in a thread."""

    async def arun(self, ledger: Ledger) -> Any:
        """The same, on an event loop."""


Machine = Generator[Step, Any, T]


class Looking(NamedTuple):
    """Look at keys; a refresh that is overdue, or whose worker is dead, is settled first."""

    name: str
    keys: Sequence[str]

    def run(self, ledger: Ledger) -> list[Look]:
        """Settle on read: also by a verdict that cannot be written, since nobody will contradict it."""
        known: set[str | None] = set()
        looks: list[Look] = []
        for _ in range(TRIES):
            rows = self._rows(ledger)
            tasks = {row.task: _ended(ledger, str(row.task)) for row in rows if row.refreshing}
            looks = [Look(row, tasks.get(row.task) if row.refreshing else None) for row in rows]
            ended = {row.task for row, task in looks if row.refreshing and (task is None or task.settled)}
            if ended <= known:  # none, or their ends cannot be written
                break
            known |= ended
        return [look if _holds(look) else Look(after_end(*look), None) for look in looks]

    async def arun(self, ledger: Ledger) -> list[Look]:
        looks: list[Look] | None = await ledger.aread(self._at_once, ledger)
        return await asyncio.to_thread(self.run, ledger) if looks is None else looks

    def _at_once(self, ledger: Ledger) -> list[Look] | None:
        """The keys by two reads and no write; None if a refresh is to be settled first."""
        rows = self._rows(ledger)
        under_way = [row.task for row in rows if row.task is not None and row.refreshing]
        if not under_way:
            return [Look(row, None) for row in rows]
        tasks = {task.id: task for task in ledger.store.read(under_way)}
        looks = [Look(row, tasks.get(str(row.task)) if row.refreshing else None) for row in rows]
        settled = all(_holds(look) and not (look.task and ledger.due(look.task)) for look in looks)
        return looks if settled else None

    def _rows(self, ledger: Ledger) -> list[LatestRow]:
        if len(self.keys) == 1:
            found = ledger.store.latest([(self.name, self.keys[0])])
            return found or [LatestRow(self.name, self.keys[0], as_of=ledger.store.now())]
        there = {row.key: row for row in ledger.store.latest([(self.name, key) for key in dict.fromkeys(self.keys)])}
        now = next((row.as_of for row in there.values()), None) or ledger.store.now()
        return [there.get(key) or LatestRow(self.name, key, as_of=now) for key in self.keys]


class Starting(NamedTuple):
    """Start refreshes, all in one commit. What ``make`` returns has places taken, so it is written at once."""

    home: Home
    make: Callable[[], Sequence[Refresh]]
    patience: float

    def run(self, ledger: Ledger) -> Any:
        self.home.run_tasks()
        return ledger.change("refresh", [self.make()], self.patience)[0]

    async def arun(self, ledger: Ledger) -> Any:
        if not self.home.runs_tasks:
            await asyncio.to_thread(self.home.run_tasks)
        return await ledger.achange("refresh", self.make(), self.patience)


class Writing(NamedTuple):
    """Make one change, by a verb of the store."""

    verb: str
    row: Any
    patience: float

    def run(self, ledger: Ledger) -> Any:
        return ledger.change(self.verb, [self.row], self.patience)[0]

    async def arun(self, ledger: Ledger) -> Any:
        return await ledger.achange(self.verb, self.row, self.patience)


class Calling(NamedTuple):
    """Call something that blocks: for a hand's work, or the first of a process."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def run(self, ledger: Ledger) -> Any:
        return self.function(*self.arguments)

    async def arun(self, ledger: Ledger) -> Any:
        return await asyncio.to_thread(self.function, *self.arguments)


class Ending(NamedTuple):
    """Cancel a refresh that is under way; answers with its id if there is no such task."""

    task: str
    message: str

    def run(self, ledger: Ledger) -> str | None:
        try:
            ledger.cancel(self.task, self.message)
        except NotAllowed:
            pass  # it has settled meanwhile
        except TaskNotFound:
            return self.task
        return None

    async def arun(self, ledger: Ledger) -> str | None:
        return await asyncio.to_thread(self.run, ledger)


class Asking(NamedTuple):
    """Ask the store, by one of its verbs that read."""

    verb: str
    arguments: tuple[Any, ...]

    def run(self, ledger: Ledger) -> Any:
        return getattr(ledger.store, self.verb)(*self.arguments)

    async def arun(self, ledger: Ledger) -> Any:
        return await ledger.aread(getattr(ledger.store, self.verb), *self.arguments)


def run(machine: Machine[T], ledger: Ledger) -> T:
    """Take the steps in this thread."""
    answer: Any = None
    error: Exception | None = None
    while True:
        try:
            step = machine.send(answer) if error is None else machine.throw(error)
        except StopIteration as stop:
            result: T = stop.value
            return result
        answer = error = None
        try:
            answer = step.run(ledger)
        except Exception as failure:
            error = failure


async def arun(machine: Machine[T], ledger: Ledger) -> T:
    """Take the steps on the running event loop."""
    answer: Any = None
    error: Exception | None = None
    while True:
        try:
            step = machine.send(answer) if error is None else machine.throw(error)
        except StopIteration as stop:
            result: T = stop.value
            return result
        answer = error = None
        try:
            answer = await step.arun(ledger)
        except Exception as failure:
            error = failure


def _ended(ledger: Ledger, task_id: str) -> Any:
    try:
        return ledger.get(task_id)
    except TaskNotFound:
        return None


def _holds(look: Look) -> bool:
    """Whether the row and the task say the same."""
    return not look.row.refreshing or (look.task is not None and not look.task.settled)
