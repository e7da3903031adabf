"""The façade: register task functions, submit them, wait for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

from settled import guard, waiter
from settled.batches import Batches
from settled.clock import Clock
from settled.engines.base import RemoteEngine
from settled.engines.embedded import EmbeddedEngine
from settled.errors import BadInput, NotAllowed
from settled.function import LONGEST_GRACE, arguments_of, checked_number, checked_text
from settled.ids import created_ms
from settled.ledger import Ledger
from settled.policy import MAX_SECONDS, Policy, ms
from settled.records import Ending, NewTask, Snapshot
from settled.registry import Registry
from settled.runner import context
from settled.runner.text import shown
from settled.service import Service
from settled.stores.urls import store_of
from settled.task import Task

Named = Task | Snapshot | UUID | str
"""How a task is named: by its handle, by how it stood, or by its id, as text or as the UUID that it is."""


class Tasks(Registry, Batches):
    """One ledger and the task functions that run on it.

    url               where the ledger is: ``sqlite:///tasks.db``, or ``postgresql://user@host/database``
    lease             seconds for which a silent worker is believed alive
    retention         seconds for which settled tasks are kept
    concurrency       coroutines that run at once in this process; likewise ``threads`` and
                      ``processes`` (default: the number of processors)
    max_result_bytes  the largest result, and the largest arguments, as JSON
    drain             seconds that running tasks get at shutdown
    embedded          whether this process runs tasks; if not, ``settled worker`` processes do
    engine            what carries tasks to workers elsewhere, e.g. ``CeleryEngine(app)``; this process runs none then

    Nothing is opened before the first use.
    """

    def __init__(
        self, url: str, *, lease: float = 30.0, retention: float = 7 * 86_400.0, concurrency: int = 100,
        threads: int = 32, processes: int | None = None, max_result_bytes: int = 1_048_576,
        drain: float = 10.0, embedded: bool = True, engine: RemoteEngine | None = None,
    ) -> None:  # fmt: skip
        Policy(lease=lease)
        if engine is not None and not hasattr(engine, "attach"):
            raise BadInput(f"engine={engine!r} is no engine. Give an object, as CeleryEngine(app).")
        processes = (os.cpu_count() or 1) if processes is None else processes
        _check_places(concurrency, threads, processes, drain)
        checked_number("retention", retention, 1, 100 * MAX_SECONDS)
        checked_number("max_result_bytes", max_result_bytes, 100, 1_000_000_000, whole=True)
        super().__init__(self, _Home(self), lease, max_result_bytes)
        places = {"coroutine": concurrency, "thread": threads, "process": processes}
        self.url = url
        self.embedded = embedded and engine is None
        self.engine = engine
        self._places = places
        self._service = Service(
            url, Ledger(store_of(url), lease=lease, retention=retention), self._registered, places, drain, engine
        )
        if engine is not None:
            engine.attach(self._service)

    # -- submitting what is made already (function.Submitter)

    def submit_new(self, new: NewTask, connection: Any = None) -> Task:
        """Create a task that is made already, in the connection's transaction if one is given; ``submit`` does this."""
        self._running()
        if connection is not None:
            return Task(self.ledger, self.ledger.add_within(new, connection))
        engine = self._service.engine
        if engine is not None:
            new = engine.before_insert(new)
        return Task(self.ledger, self.ledger.add(new)[0])

    async def asubmit_new(self, new: NewTask, connection: Any = None) -> Task:
        """The same, on an event loop."""
        service = self._service
        if service.engine is None:
            await asyncio.to_thread(self._running)
        if connection is not None:
            return Task(service.ledger, await service.ledger.aadd_within(new, connection))
        if service.engine is not None:
            new = service.engine.before_insert(new)
        return Task(service.ledger, (await service.ledger.aadd(new))[0])

    # -- looking and waiting

    @property
    def ledger(self) -> Ledger:  # type: ignore[override]
        """The ledger, opened."""
        self._service.ready()
        return self._service.ledger

    def get(self, task: Named) -> Snapshot:
        """The task as it stands; raises ``BadTaskId``, ``TaskNotFound``, ``TaskPruned`` or ``LedgerUnavailable``."""
        return self.ledger.get(_id(task))

    async def aget(self, task: Named) -> Snapshot:
        """The same, on an event loop."""
        return await self.ledger.aget(_id(task))

    def task_of(self, task: Named) -> Task:
        """The handle of a task that was submitted elsewhere."""
        return Task(self.ledger, self.get(task))

    def owns(self, task: Task) -> bool:
        """Whether the task is one of this ledger."""
        return task._ledger is self._service.ledger

    def wait(self, task: Named, timeout: float | None = None) -> Ending:
        """Wait until the task settles; always ends, with an unknown id too.

        Raises ``BadInput`` on the event loop that runs this process's tasks, which it would hold up: await there.
        """
        return waiter.wait(self.ledger, _id(task), timeout)

    async def await_(self, task: Named, timeout: float | None = None) -> Ending:
        """The same, on an event loop."""
        return await waiter.await_(self.ledger, _id(task), timeout)

    async def changed(self, task: Named, timeout: float, since: Snapshot | None = None) -> Snapshot:
        """The task at its next change (counted from ``since``), or as it is after ``timeout`` s or at shutdown."""
        return await waiter.changed(self.ledger, _id(task), timeout, since, lambda: self._service.closing)

    @property
    def closing(self) -> bool:  # type: ignore[override]
        """Whether this process has been told to end; whoever waits is rung then."""
        return self._service.closing

    # -- a person's hand

    def cancel(self, task: Named) -> Snapshot:
        """Settle an open task as failed / cancelled; raise ``NotAllowed`` if it has settled already."""
        return self.ledger.cancel(_id(task))

    async def acancel(self, task: Named) -> Snapshot:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.cancel, task)

    def retry(self, task: Named) -> Task:
        """Submit a settled task's call again as a new task; the same new one, however often it is asked."""
        return self.submit_new(self.ledger.again(self.get(task)))

    async def aretry(self, task: Named) -> Task:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.retry, task)

    # -- the safe runner, for code that is not a registered function

    def create(
        self,
        name: str,
        *,
        timeout: float = 600.0,
        start_timeout: float = 600.0,
        key: str | None = None,
        owner: str | None = None,
    ) -> Task:
        """Create a task that no engine runs: your own code runs it, under ``settling``, ``run`` or ``guard``."""
        for what, text in {"name": name, "key": key, "owner": owner}.items():
            if text is not None or what == "name":
                checked_text(what, text)
        if name in self.functions:
            raise BadInput(f"{name!r} is a registered task function; submit it, or choose another name.")
        policy = Policy(timeout, start_timeout, lease=self.lease)
        arguments = arguments_of(name, (), {}, self.max_result_bytes)
        new = NewTask(
            name,
            arguments,
            ms(start_timeout),
            ms(timeout),
            ms(self.lease),
            ms(policy.backoff),
            1,
            policy.reserve_ms(0),
            key,
            owner,
        )
        return Task(self.ledger, self.ledger.add(new)[0])

    async def acreate(self, name: str, **options: Any) -> Task:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.create, name, **options)

    def settling(self, task: Named) -> guard.Settling:
        """``with`` or ``async with``: run the block as the task's attempt, so that the task settles with it."""
        self._service.enlist()
        return guard.Settling(self.ledger, _id(task), self.max_result_bytes)

    def run(self, task: Named, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Ending:
        """Call a function as the task's attempt; its exception is settled, not raised."""
        return guard.run(self.settling(task), function, *args, **kwargs)

    async def guard(self, task: Named, awaitable: Any) -> Ending:
        """Await something as the task's attempt; its exception is settled, not raised."""
        return await guard.await_(await asyncio.to_thread(self.settling, task), awaitable)

    # -- life

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Serve while an ASGI application lives: ``FastAPI(lifespan=tasks.lifespan)``."""
        async with self._serving(run_tasks=self.embedded):
            yield

    @asynccontextmanager
    async def working(
        self,
        *,
        concurrency: int | None = None,
        threads: int | None = None,
        processes: int | None = None,
        drain: float | None = None,
    ) -> AsyncIterator[None]:
        """Run tasks while the block lasts, also with ``embedded=False``, as ``settled worker`` does."""
        _check_places(concurrency, threads, processes, drain)
        given = {"coroutine": concurrency, "thread": threads, "process": processes}
        self._places.update({isolation: number for isolation, number in given.items() if number is not None})
        if drain is not None:
            self._service.drain_seconds = drain
        async with self._serving(run_tasks=True):
            yield

    @asynccontextmanager
    async def _serving(self, *, run_tasks: bool) -> AsyncIterator[None]:
        await self._service.serve(EmbeddedEngine if run_tasks else None)
        try:
            with self._service.hearing_signals():
                yield
        finally:
            await self._service.end()

    def start(self) -> None:
        """Run tasks in the background of a script; the first submit does this by itself."""
        if context.in_task_process:  # a script that is run again for one of its functions
            self._service.ready()
        else:
            self._service.start()

    def stop(self) -> None:
        """Drain and close; a script does this by itself when it ends."""
        self._service.stop()

    @contextmanager
    def moved(self, url: str, *, clock: Clock | None = None, embedded: bool = False) -> Iterator[None]:
        """Use another ledger while the block lasts, and no engine of other people's: what ``settled.testing`` does.

        ``clock`` is that ledger's, on SQLite; ``embedded`` says whether this process runs tasks meanwhile. Raises
        ``NotAllowed`` while the ledger is open in this process: begin before the application does.
        """
        home = self._service, self.url, self.embedded, self.engine
        if self._service.is_ready:
            raise NotAllowed(
                f"The ledger of this Tasks is open already, and what runs on it would be cut off. Move it before the "
                f"application starts and before the first submit, or stop() it. It is {shown(self.url, 300)}."
            )
        ledger = Ledger(store_of(url, clock), lease=self.lease)
        self._service = Service(url, ledger, self._registered, self._places, self._service.drain_seconds)
        self.url, self.embedded, self.engine = url, embedded, None
        try:
            yield
        finally:
            self._service.stop()
            self._service, self.url, self.embedded, self.engine = home

    def enlist(self, names: Collection[str], engine: str | None = None) -> None:
        """Make this process a worker that runs tasks of these names in its own way, as adopted ones are.

        ``engine``: what brings them, for people to read.
        """
        self._service.adopted = names
        self._service.enlist(engine)

    def on_cancel(self, told: Callable[[Snapshot], None]) -> None:
        """Have ``told`` called with each open task, as it was, that is cancelled through this process."""
        self._service.ledger.cancelled = told

    def carry(self, task_id: str) -> None:
        """Run, in the calling thread's time, a task that an engine of your own has brought to this process.

        Returns when its work has left; does nothing if it has settled, or if another process has it.
        """
        self._service.carry(task_id)

    async def acarry(self, task_id: str) -> None:
        """The same on an event loop, where the task then runs. When this is cancelled, the attempt goes on."""
        await self._service.acarry(task_id)

    def _running(self) -> None:
        runs_tasks = self.embedded and not context.in_task_process
        if runs_tasks and self._service.engine is None and not self._service.closing:
            self._service.start()
        else:
            self._service.ready()


class _Home:
    """What the keys of a latest function need of this process: always of the ledger that is in use."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    @property
    def ledger(self) -> Ledger:
        return self._tasks.ledger

    @property
    def at_hand(self) -> Ledger | None:
        service = self._tasks._service
        return service.ledger if service.is_ready else None

    @property
    def runs_tasks(self) -> bool:
        return self._tasks._service.engine is not None

    def run_tasks(self) -> None:
        self._tasks._running()

    def before_start(self, new: NewTask) -> NewTask:
        engine = self._tasks._service.engine
        return new if engine is None else engine.before_insert(new)


def _id(task: Named) -> str:
    task_id = task.id if isinstance(task, (Task, Snapshot)) else str(task) if isinstance(task, UUID) else task
    if not isinstance(task_id, str):
        created_ms(task_id)  # which says what an id is
    return task_id


def _check_places(concurrency: int | None, threads: int | None, processes: int | None, drain: float | None) -> None:
    for name, number in {"concurrency": concurrency, "threads": threads, "processes": processes}.items():
        if number is not None:
            checked_number(name, number, 1, 1_000_000, whole=True)
    if drain is not None:
        checked_number("drain", drain, 0, LONGEST_GRACE)
