"""The registering half of the façade: functions become task functions and latest functions, each under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar, overload

from settled.batch import Batch
from settled.engines.registered import Registered
from settled.errors import BadTaskFunction, UnknownTaskName
from settled.function import Submitter, TaskFunction, checked_number, describe
from settled.latest import LatestFunction
from settled.latest.options import Seconds, options_of
from settled.latest.steps import Home
from settled.limit import Limit
from settled.policy import Policy
from settled.task import Task

P = ParamSpec("P")
R = TypeVar("R")


class Registry:
    """What ``Tasks`` knows by name, and submits by name."""

    def __init__(self, submitter: Submitter, home: Home, lease: float, max_result_bytes: int) -> None:
        self.functions: dict[str, TaskFunction[Any, Any]] = {}
        self.latests: dict[str, LatestFunction[Any, Any]] = {}
        self.lease = lease
        self.max_result_bytes = max_result_bytes
        self._registered: dict[str, Registered] = {}
        self._submitter = submitter
        self._home = home

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
            made = TaskFunction(function, self._submitter, described, policy, chosen, limit=limit)
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
                latest = LatestFunction(made, self._home, chosen, key)
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

    # -- submitting by name

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

    def _function(self, name: str) -> TaskFunction[Any, Any]:
        if name not in self.functions:
            known = ", ".join(sorted(self.functions)) or "none"
            raise UnknownTaskName(
                f"No task function is named {name!r}; registered here: {known}. Nothing was submitted."
            )
        return self.functions[name]
