"""A task function: the user's function under a name, with its policy, ready to be submitted."""

from __future__ import annotations

import contextlib
import inspect
import typing
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from settled import json_text
from settled.batch import Batch
from settled.errors import BadArguments, BadInput, BadPolicy, BadTaskFunction
from settled.limit import Limit
from settled.misfit import complaint
from settled.policy import Policy, ms
from settled.records import NewTask
from settled.runner import process
from settled.runner.base import Function
from settled.runner.context import Context
from settled.runner.text import storable
from settled.task import Task

P = ParamSpec("P")
R = TypeVar("R")
LONGEST_GRACE = 3_600.0
"""Seconds between asking a process to end and killing it, or those that running tasks get at shutdown."""
MOST_CHARACTERS = 1_000
"""Of a name, a key or an owner."""
MOST_ITEMS = 1_000
"""Of one grouped call."""
ISOLATIONS = ("coroutine", "thread", "process")


class Submitter(Protocol):
    """Who takes new tasks."""

    def submit_new(self, new: NewTask, connection: Any = None) -> Task:
        """Create the task; durable when this returns, or when the connection's transaction commits."""

    def asubmit_new(self, new: NewTask, connection: Any = None) -> Coroutine[Any, Any, Task]:
        """The same, to be awaited on an event loop."""

    def submit_batch(self, news: Sequence[NewTask]) -> Batch:
        """Create the tasks of a batch in one commit; durable when this returns."""

    def asubmit_batch(self, news: Sequence[NewTask]) -> Coroutine[Any, Any, Batch]:
        """The same, to be awaited on an event loop."""


class TaskFunction(Generic[P, R]):
    """What ``@tasks.task`` makes of a function: call it as before, or submit it."""

    def __init__(
        self, function: Callable[P, R], submitter: Submitter, described: Function, policy: Policy, isolation: str,
        key: str | None = None, owner: str | None = None, connection: Any = None, limit: Limit | None = None,
    ) -> None:  # fmt: skip
        self.function = function
        self.name = described.name
        self.policy = policy
        self.isolation = isolation
        self.described = described
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", self.name)
        self.__wrapped__ = function
        self.submitter = submitter
        self._key = key
        self._owner = owner
        self._connection = connection
        self.limit = limit
        self._signature = _without(inspect.signature(function), described.context_parameter)
        self._least, self._most = _positional(self._signature)
        self._template = NewTask(
            self.name, "", ms(policy.start_timeout), ms(policy.timeout), ms(policy.lease), ms(policy.backoff),
            policy.attempts, policy.reserve_ms(0), key, owner,
        )  # fmt: skip

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here and now, as if it were no task."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<TaskFunction {self.name}>"

    def submit(self, /, *args: Any, **kwargs: Any) -> Task:
        """Submit a call, durable when this returns; raise ``BadArguments``, ``KeyConflict``, ``LedgerUnavailable``."""
        return self.submitter.submit_new(self.new(args, kwargs), self._connection)

    def asubmit(self, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Task]:
        """The same, to be awaited on an event loop."""
        return self.submitter.asubmit_new(self.new(args, kwargs), self._connection)

    def submit_many(self, items: Iterable[Any]) -> Batch:
        """Submit a call for each item, all in one commit, as a batch with an id of its own.

        A tuple is a call's positional arguments, a dict its keywords, anything else its one argument. Raises
        ``BadInput`` for no items, ``BadArguments`` for one that does not fit (nothing is submitted then), and what
        ``submit`` raises. An idempotency key given to ``using`` is the whole batch's.
        """
        return self.submitter.submit_batch(self._news(items))

    def asubmit_many(self, items: Iterable[Any]) -> Coroutine[Any, Any, Batch]:
        """The same, to be awaited on an event loop."""
        return self.submitter.asubmit_batch(self._news(items))

    def using(
        self, *, key: str | None = None, owner: str | None = None, timeout: float | None = None,
        start_timeout: float | None = None, attempts: int | None = None, within: Any = None,
    ) -> TaskFunction[P, R]:  # fmt: skip
        """The same task function with an idempotency key, an owner or other limits for what is submitted through it.

        ``within`` is a connection of your own to the ledger's PostgreSQL, whose transaction the submit is then part
        of: psycopg's, SQLAlchemy's (or a Session), Django's. If it rolls back, there is no task.
        """
        if key is not None:
            checked_text("key", key)
        if owner is not None:
            checked_text("owner", owner)
        old = self.policy
        policy = replace(
            old,
            timeout=old.timeout if timeout is None else timeout,
            start_timeout=old.start_timeout if start_timeout is None else start_timeout,
            attempts=old.attempts if attempts is None else attempts,
        )
        return TaskFunction(
            self.function,
            self.submitter,
            self.described,
            policy,
            self.isolation,
            self._key if key is None else key,
            self._owner if owner is None else owner,
            self._connection if within is None else within,
            self.limit,
        )

    def _news(self, items: Iterable[Any]) -> list[NewTask]:
        if self._connection is not None:
            raise BadInput(
                "A batch is one commit of its own and cannot be part of your transaction. Submit it after your commit, "
                "or its calls one by one within it. Nothing was submitted."
            )
        if isinstance(items, (str, bytes, dict)) or not isinstance(items, Iterable):
            raise BadInput(
                f"A {type(items).__name__} is no list of items: give one item for each call. Nothing was submitted."
            )
        news = []
        for place, item in enumerate(items):
            args, kwargs = ((item,), {}) if self.described.group else _call_of(item)
            try:
                news.append(self.new(args, kwargs))
            except BadArguments as error:
                raise BadArguments(f"items[{place}]: {error}") from None
        return news

    def new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NewTask:
        """Check the arguments and return what the ledger is to write."""
        if self.described.group and (kwargs or len(args) != 1):
            raise BadArguments(
                f"{self.name} is called with a list of items, and each submit gives one of them: submit(item). "
                "Nothing was submitted."
            )
        if kwargs or not self._least <= len(args) <= self._most:
            try:
                self._signature.bind(*args, **kwargs)
            except TypeError as error:
                raise BadArguments(
                    f"{self.name}{self._signature} cannot be called like this: {error}. Nothing was submitted."
                ) from None
        arguments = arguments_of(self.name, args, kwargs, self.described.max_result_bytes, self._signature)
        if self.limit is not None:
            lane = self.limit.lane(self.name, args, kwargs)
            if lane is not None:
                new = NewTask(self.name, arguments, *self._template[2:])
                return new._replace(lane=lane, lane_places=self.limit.concurrency, lane_gap_us=self.limit.gap_us)
        return NewTask(self.name, arguments, *self._template[2:])


def _call_of(item: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(item, dict):
        return (), item
    return item if isinstance(item, tuple) else (item,), {}


def describe(
    function: Callable[..., Any], *, name: str | None, isolation: str | None, memory_limit: int | None,
    kill_grace: float, max_result_bytes: int, batch: int | None = None,
) -> tuple[Function, str]:  # fmt: skip
    """Check a function that is to be registered; return what isolations must know of it, and its isolation."""
    if not callable(function):
        raise BadTaskFunction(
            f"{function!r} is no function. Use @tasks.task or @tasks.task(timeout=…) on a def or async def."
        )
    label = name or getattr(function, "__qualname__", None)
    if label is None or (name is None and label.endswith("<lambda>")):
        raise BadTaskFunction(f"{function!r} has no name of its own, to be found by. Register it with name=….")
    checked_text("name", label)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise BadTaskFunction(f"{label} does not tell its signature. Wrap it in a def.") from None
    checked_number("kill_grace", kill_grace, 0, LONGEST_GRACE)
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    chosen = isolation or ("coroutine" if is_async else "thread")
    if chosen not in ISOLATIONS:
        raise BadTaskFunction(f"isolation={isolation!r} is unknown for {label}. Use one of {', '.join(ISOLATIONS)}.")
    if (chosen == "coroutine" and not is_async) or (chosen == "thread" and is_async):
        kind = "is async: use 'coroutine' or 'process'" if is_async else "is not async: use 'thread' or 'process'"
        raise BadTaskFunction(f"isolation={chosen!r} does not fit {label}, which {kind}.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise BadTaskFunction(
            f"{label} is a generator; a task has one result. Return a list, or report progress through Context."
        )
    if chosen == "process":
        process.check(function)
    elif memory_limit is not None:
        raise BadTaskFunction(
            f"memory_limit for {label} needs isolation='process': threads and coroutines share their memory."
        )
    if memory_limit is not None and (not isinstance(memory_limit, int) or memory_limit < 1_048_576):
        raise BadTaskFunction(
            f"memory_limit={memory_limit!r} for {label} is too small: give bytes, at least 1048576 (1 MiB)."
        )
    parameter = _context_parameter(function, signature)
    group = _group(label, signature, parameter, batch)
    position = _position(signature, parameter)
    return Function(function, label, parameter, max_result_bytes, memory_limit, kill_grace, position, group), chosen


def _group(name: str, signature: inspect.Signature, context: str | None, batch: int | None) -> int:
    """How many items one call gets at most; 0 where each call is one task's."""
    if batch is None:
        return 0
    checked_number("batch", batch, 1, MOST_ITEMS, whole=True)
    if context is not None:
        raise BadTaskFunction(
            f"{name} has batch={batch}, so one call is for several tasks and there is no Context of one of them. Leave "
            f"the parameter {context!r} out."
        )
    least, most = _positional(signature)
    if not least <= 1 <= most:
        raise BadTaskFunction(f"{name}{signature} has batch={batch}, so it must take one argument: the list of items.")
    return batch


def checked_number(what: str, value: object, least: float, most: float, *, whole: bool = False) -> None:
    """Raise ``BadPolicy`` for what is no number from ``least`` to ``most``."""
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        kind = "whole number" if whole else "number"
        raise BadPolicy(f"{what}={value!r} is not possible: give a {kind} from {least:,} to {most:,}.")


def checked_text(what: str, text: object) -> None:
    """Raise ``BadInput`` for a name, key or owner that a ledger cannot keep and find again."""
    if not isinstance(text, str) or not 0 < len(text) <= MOST_CHARACTERS or storable(text) != text:
        raise BadInput(
            f"{what}={ascii(text)[:60]} is not possible: give a text of 1 to {MOST_CHARACTERS} characters, "
            "without NUL or lone surrogates."
        )


def arguments_of(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], limit: int, signature: inspect.Signature | None = None
) -> str:
    """The arguments as JSON text; raise ``BadArguments`` for what JSON cannot hold, saying which."""
    try:
        text = _dumps({"args": args, "kwargs": kwargs})
    except (TypeError, ValueError, RecursionError) as error:
        named: list[tuple[object, Any]] = [*enumerate(args), *kwargs.items()]
        if signature is not None:
            named = [*signature.bind(*args, **kwargs).arguments.items()]
        which, value = next((pair for pair in named if not _encodes(pair[1])), ("?", None))
        raise BadArguments(
            f"Argument {which!r} of {name} cannot be kept: {complaint(value, error)}. "
            "A task may run later in another process, so its arguments must be JSON: text, finite numbers, booleans, "
            "None, lists, dicts. Nothing was submitted."
        ) from None
    if len(text) > limit:
        raise BadArguments(
            f"The arguments of {name} are {len(text):,} bytes of JSON, more than the {limit:,} allowed. "
            "Store the data elsewhere and pass where. Nothing was submitted."
        )
    return text


_dumps = json_text.writer()


def _encodes(value: Any) -> bool:
    try:
        _dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _context_parameter(function: Callable[..., Any], signature: inspect.Signature) -> str | None:
    """The parameter annotated ``Context``, if there is one."""
    hints = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    with contextlib.suppress(Exception):  # one that cannot be resolved is no reason to refuse the function
        hints |= typing.get_type_hints(function)
    return next((name for name in signature.parameters if hints[name] in (Context, "Context", "settled.Context")), None)


def _position(signature: inspect.Signature, parameter: str | None) -> int | None:
    """Where among the positional arguments a parameter comes; None if it is given by name alone."""
    kinds = inspect.Parameter
    positional = [
        p.name for p in signature.parameters.values() if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]
    return positional.index(parameter) if parameter in positional else None


def _without(signature: inspect.Signature, parameter: str | None) -> inspect.Signature:
    return signature.replace(parameters=[p for p in signature.parameters.values() if p.name != parameter])


def _positional(signature: inspect.Signature) -> tuple[int, int]:
    """How many positional arguments alone make a valid call, at least and at most; none if it needs keywords."""
    kinds = inspect.Parameter
    parameters = list(signature.parameters.values())
    if any(p.kind is kinds.KEYWORD_ONLY and p.default is kinds.empty for p in parameters):
        return 1, 0
    positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    least = sum(p.default is kinds.empty for p in positional)
    endless = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
    return least, 1_000_000 if endless else len(positional)
