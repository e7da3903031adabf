"""The façade: register task functions, submit them, wait for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar, overload

from settled import guard, waiter
from settled.batch import Batch
from settled.batches import Batches
from settled.clock import Clock
from settled.engines.base import RemoteEngine
from settled.engines.embedded import EmbeddedEngine, Registered
from settled.errors import BadInput, BadTaskFunction, NotAllowed, UnknownTaskName
from settled.function import LONGEST_GRACE, TaskFunction, arguments_of, checked_number, checked_text, describe
from settled.latest import LatestFunction
from settled.latest.options import Seconds, options_of
from settled.ledger import Ledger
from settled.limit import Limit
from settled.policy import MAX_SECONDS, Policy, ms
from settled.records import Ending, NewTask, Snapshot
from settled.runner import context
from settled.runner.text import shown
from settled.service import Service
from settled.stores.urls import store_of
from settled.task import Task

P = ParamSpec("P")
R = TypeVar("R")


class Tasks(Batches):
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
        processes = (os.cpu_count() or 1) if processes is None else processes
        _check_places(concurrency, threads, processes, drain)
        checked_number("retention", retention, 1, 100 * MAX_SECONDS)
        checked_number("max_result_bytes", max_result_bytes, 100, 1_000_000_000, whole=True)
        places = {"coroutine": concurrency, "thread": threads, "process": processes}
        self.url = url
        self.embedded = embedded and engine is None
        self.engine = engine
        self.functions: dict[str, TaskFunction[Any, Any]] = {}
        self.latests: dict[str, LatestFunction[Any, Any]] = {}
        self._registered: dict[str, Registered] = {}
        self._places = places
        self.lease = lease
        self.max_result_bytes = max_result_bytes
        self._service = Service(
            url, Ledger(store_of(url), lease=lease, retention=retention), self._registered, places, drain, engine
        )
        if engine is not None:
            engine.attach(self._service)

    # -- registering

    @overload
    def task(self, function: Callable[P, R], /) -> TaskFunction[P, R]: ...
    @overload
    def task(
        self, function: None = None, /, *, name: str | None = None, timeout: float = 600.0,
        start_timeout: float = 600.0, attempts: int = 1, backoff: float = 1.0, isolation: str | None = None,
        memory_limit: int | None = None, kill_grace: float = 2.0, limit: Limit | None = None,
        batch: int | None = None, batch_wait: float = 0.05,
    ) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...  # fmt: skip
    def task(
        self, function: Callable[..., Any] | None = None, /, *, name: str | None = None, timeout: float = 600.0,
        start_timeout: float = 600.0, attempts: int = 1, backoff: float = 1.0, isolation: str | None = None,
        memory_limit: int | None = None, kill_grace: float = 2.0, limit: Limit | None = None,
        batch: int | None = None, batch_wait: float = 0.05,
    ) -> Any:  # fmt: skip
        """Register a function. Times in seconds, ``memory_limit`` in bytes; ``limit`` counts over all processes.

        ``async def`` runs on the event loop, ``def`` in a thread; ``isolation="process"`` runs
        either in a process of its own, which can be killed and may have a ``memory_limit``.
        With ``batch`` one call is for up to so many tasks, which wait ``batch_wait`` for each other: it gets a list of
        what was submitted, and returns a list of as many, a result or an exception for each.
        Raises ``BadTaskFunction`` or ``BadPolicy``.
        """
        checked_number("batch_wait", batch_wait, 0, 60)

        def register(function: Callable[..., Any]) -> TaskFunction[..., Any]:
            described, chosen = describe(
                function, name=name, isolation=isolation, memory_limit=memory_limit, kill_grace=kill_grace,
                max_result_bytes=self.max_result_bytes, batch=batch,
            )  # fmt: skip
            # The next attempt must not start before the one that was given up on has been killed.
            policy = Policy(timeout, start_timeout, attempts, backoff, self.lease)
            if chosen == "process":
                policy = replace(policy, backoff=max(backoff, kill_grace + 0.5))
            if described.name in self.functions:
                raise BadTaskFunction(
                    f"Two task functions are named {described.name!r}. Give one of them another name=…."
                )
            if limit is not None and not isinstance(limit, Limit):
                raise BadTaskFunction(f"limit={limit!r} for {described.name} is no Limit: write limit=Limit(…).")
            made = TaskFunction(function, self, described, policy, chosen, limit=limit)
            self.functions[described.name] = made
            self._registered[described.name] = Registered(described, chosen, batch_wait)
            return made

        return register if function is None else register(function)

    def latest(
        self, *, fresh_for: Seconds, retry_after: Seconds = 60.0, retry_cap: Seconds | None = None,
        stale_for: Seconds | None = None, max_age: Seconds | None = None, history: int = 0,
        key: Callable[[str], str] | None = None, **options: Any,
    ) -> Callable[[Callable[P, R]], LatestFunction[P, R]]:  # fmt: skip
        """Register a function of a key, whose newest good value is kept; durations in seconds or as ``timedelta``.

        fresh_for    for how long a value is fresh; a look at an older one starts a refresh
        retry_after  the pause after a failure; it doubles with each in a row, up to retry_cap (a day, if not given)
        stale_for    for how long beyond that an old value is still served beside an error; if not given, for ever
        max_age      for how long a key is kept that nobody asks for; if not given, for ever
        history      how many former values are kept
        key          what makes a key of the text that is asked for; raises ``BadKey`` or ``ValueError``

        The other options are those of ``task``: each refresh is an ordinary task. Raises ``BadTaskFunction``,
        ``BadPolicy``.
        """
        chosen = options_of(fresh_for, retry_after, retry_cap, stale_for, max_age, history)

        def register(function: Callable[P, R]) -> LatestFunction[P, R]:
            made: TaskFunction[P, R] = self.task(**options)(function)
            try:
                latest = LatestFunction(made, _Home(self._service, self._running), chosen, key)
            except BadTaskFunction:
                del self.functions[made.name], self._registered[made.name]
                raise
            self.latests[made.name] = latest
            return latest

        return register

    def latest_of(self, name: str) -> LatestFunction[Any, Any]:
        """The latest function of a name; raise ``UnknownTaskName`` if there is none."""
        if name not in self.latests:
            known = ", ".join(sorted(self.latests)) or "none"
            raise UnknownTaskName(f"No latest function is named {name!r}; registered here: {known}.")
        return self.latests[name]

    # -- submitting

    def submit(self, name: str, /, *args: Any, **kwargs: Any) -> Task:
        """Submit by name; raise ``UnknownTaskName`` if nothing is registered under it."""
        return self._function(name).submit(*args, **kwargs)

    async def asubmit(self, name: str, /, *args: Any, **kwargs: Any) -> Task:
        """The same, on an event loop."""
        return await self._function(name).asubmit(*args, **kwargs)

    def submit_many(self, name: str, items: Iterable[Any], /) -> Batch:
        """Submit many calls by name, in one commit; see ``TaskFunction.submit_many``."""
        return self._function(name).submit_many(items)

    async def asubmit_many(self, name: str, items: Iterable[Any], /) -> Batch:
        """The same, on an event loop."""
        return await self._function(name).asubmit_many(items)

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

    def get(self, task_id: str) -> Snapshot:
        """The task as it stands; raises ``BadTaskId``, ``TaskNotFound``, ``TaskPruned`` or ``LedgerUnavailable``."""
        return self.ledger.get(task_id)

    async def aget(self, task_id: str) -> Snapshot:
        """The same, on an event loop."""
        return await self.ledger.aget(task_id)

    def task_of(self, task_id: str) -> Task:
        """The handle of a task that was submitted elsewhere."""
        return Task(self.ledger, self.get(task_id))

    def owns(self, task: Task) -> bool:
        """Whether the task is one of this ledger."""
        return task._ledger is self._service.ledger

    def wait(self, task_id: str, timeout: float | None = None) -> Ending:
        """Wait until the task settles; always ends, an unknown id too."""
        return waiter.wait(self.ledger, task_id, timeout)

    async def await_(self, task_id: str, timeout: float | None = None) -> Ending:
        """The same, on an event loop."""
        return await waiter.await_(self.ledger, task_id, timeout)

    async def changed(self, task_id: str, timeout: float, since: Snapshot | None = None) -> Snapshot:
        """The task at its next change (counted from ``since``), or as it is after ``timeout`` s or at shutdown."""
        return await waiter.changed(self.ledger, task_id, timeout, since, lambda: self._service.closing)

    @property
    def closing(self) -> bool:  # type: ignore[override]
        """Whether this process has been told to end; whoever waits is rung then."""
        return self._service.closing

    # -- a person's hand

    def cancel(self, task_id: str) -> Snapshot:
        """Settle an open task as failed / cancelled; raise ``NotAllowed`` if it has settled already."""
        return self.ledger.cancel(task_id)

    async def acancel(self, task_id: str) -> Snapshot:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.cancel, task_id)

    def retry(self, task_id: str) -> Task:
        """Submit a settled task's call again as a new task; the same new one, however often it is asked."""
        return self.submit_new(self.ledger.again(self.get(task_id)))

    async def aretry(self, task_id: str) -> Task:
        """The same, on an event loop."""
        return await asyncio.to_thread(self.retry, task_id)

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

    def settling(self, task: Task | str) -> guard.Settling:
        """``with`` or ``async with``: run the block as the task's attempt, so that the task settles with it."""
        self._service.enlist()
        return guard.Settling(self.ledger, _id(task), self.max_result_bytes)

    def run(self, task: Task | str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Ending:
        """Call a function as the task's attempt; its exception is settled, not raised."""
        return guard.run(self.settling(task), function, *args, **kwargs)

    async def guard(self, task: Task | str, awaitable: Any) -> Ending:
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

    def _function(self, name: str) -> TaskFunction[Any, Any]:
        if name not in self.functions:
            known = ", ".join(sorted(self.functions)) or "none"
            raise UnknownTaskName(
                f"No task function is named {name!r}; registered here: {known}. Nothing was submitted."
            )
        return self.functions[name]


class _Home:
    """What the keys of a latest function need of this process."""

    def __init__(self, service: Service, run_tasks: Callable[[], None]) -> None:
        self._service = service
        self.run_tasks = run_tasks

    @property
    def ledger(self) -> Ledger:
        self._service.ready()
        return self._service.ledger

    @property
    def at_hand(self) -> Ledger | None:
        return self._service.ledger if self._service.is_ready else None

    @property
    def runs_tasks(self) -> bool:
        return self._service.engine is not None

    def before_start(self, new: NewTask) -> NewTask:
        engine = self._service.engine
        return new if engine is None else engine.before_insert(new)


def _id(task: Task | str) -> str:
    return task if isinstance(task, str) else task.id


def _check_places(concurrency: int | None, threads: int | None, processes: int | None, drain: float | None) -> None:
    for name, number in {"concurrency": concurrency, "threads": threads, "processes": processes}.items():
        if number is not None:
            checked_number(name, number, 1, 1_000_000, whole=True)
    if drain is not None:
        checked_number("drain", drain, 0, LONGEST_GRACE)
