"""Registering: what cannot work is refused at once, with what happened, why, and what to do."""

from __future__ import annotations

import functools
import math
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from settled import BadInput, BadLedgerUrl, BadPolicy, BadTaskFunction, Context, Tasks, UnknownTaskName
from settled.policy import Policy
from tests.core import functions


@pytest.fixture
def tasks(tmp_path: Path) -> Tasks:
    return Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False, lease=7)


def plain(a: int, b: int = 2) -> int:
    """Adds."""
    return a + b


async def wait(a: int) -> int:
    return a


def test_a_registered_function_is_called_as_before_and_keeps_its_name_and_words(tasks: Tasks) -> None:
    registered = tasks.task(plain)
    assert registered(1, b=5) == 6
    assert (registered.name, registered.__name__, registered.__doc__) == ("plain", "plain", "Adds.")
    assert registered.__wrapped__ is plain
    assert registered.policy == Policy(lease=7)


def test_the_isolation_follows_from_the_kind_of_function(tasks: Tasks) -> None:
    assert tasks.task(plain).isolation == "thread"
    assert tasks.task(wait).isolation == "coroutine"
    assert tasks.task(isolation="process")(functions.give).isolation == "process"
    assert tasks.task(isolation="process")(functions.agive).isolation == "process"


def test_a_function_can_have_another_name_and_limits_of_its_own(tasks: Tasks) -> None:
    registered = tasks.task(name="sum", timeout=1, start_timeout=2, attempts=3, backoff=4)(plain)
    assert registered.name == "sum"
    assert registered.policy == Policy(1, 2, 3, 4, 7)
    again = registered.using(timeout=9, attempts=1, start_timeout=8)
    assert again.policy == Policy(9, 8, 1, 4, 7)
    assert registered.policy == Policy(1, 2, 3, 4, 7)


def test_a_process_that_is_tried_again_has_been_killed_before(tasks: Tasks) -> None:
    registered = tasks.task(isolation="process", attempts=2, backoff=0, kill_grace=3)(functions.give)
    assert registered.policy.backoff > 3


def test_two_functions_of_one_name_are_refused(tasks: Tasks) -> None:
    tasks.task(plain)
    with pytest.raises(BadTaskFunction, match=r"Two task functions are named 'plain'\. Give one of them another name"):
        tasks.task(plain)
    tasks.task(name="other")(plain)


def generator() -> Iterator[int]:
    yield 1


async def agenerator() -> AsyncIterator[int]:
    yield 1


class Caller:
    def __call__(self, a: int) -> int:
        return a


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (5, {}, "5 is no function. Use @tasks.task"),
        ("name", {"timeout": 5}, "'name' is no function. Use @tasks.task"),
        (generator, {}, "generator is a generator; a task has one result. Return a list"),
        (agenerator, {}, "agenerator is a generator; a task has one result"),
        (plain, {"isolation": "coroutine"}, "which is not async: use 'thread' or 'process'"),
        (wait, {"isolation": "thread"}, "which is async: use 'coroutine' or 'process'"),
        (plain, {"isolation": "vm"}, "isolation='vm' is unknown for plain. Use one of coroutine, thread, process"),
        (plain, {"memory_limit": 10**8}, "memory_limit for plain needs isolation='process'"),
        (wait, {"memory_limit": 10**8}, "memory_limit for wait needs isolation='process'"),
        (functions.give, {"isolation": "process", "memory_limit": 5}, "memory_limit=5 for give is too small"),
        (functions.give, {"isolation": "process", "memory_limit": 1e9}, "memory_limit=1000000000.0 for give"),
        (functions.give, {"isolation": "process", "memory_limit": True}, "memory_limit=True for give"),
        (lambda: 1, {}, "has no name of its own"),
        (lambda: 1, {"isolation": "process", "name": "one"}, "cannot run with isolation='process'"),
        (functools.partial(plain, 1), {}, "name="),
        (functools.partial(plain, 1), {"isolation": "process", "name": "p"}, "cannot run with isolation='process'"),
        (Caller(), {}, "name="),
        (Caller(), {"isolation": "process", "name": "c"}, "cannot run with isolation='process'"),
        (type, {"name": "type"}, "signature"),
        (plain, {"name": 5}, "name=5"),
        (plain, {"name": "\ud800"}, "name="),
        (plain, {"kill_grace": -1}, "kill_grace=-1"),
        (plain, {"kill_grace": math.inf}, "kill_grace=inf"),
        (plain, {"kill_grace": math.nan}, "kill_grace=nan"),
        (plain, {"kill_grace": "2"}, "kill_grace='2'"),
    ],
)
def test_what_cannot_be_a_task_function_is_refused_and_not_registered(
    tasks: Tasks, function: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        tasks.task(**options)(function)
    assert said in str(refusal.value)
    str(refusal.value).encode()
    assert tasks.functions == {}


def test_a_function_in_a_function_cannot_be_found_by_a_new_process(tasks: Tasks) -> None:
    def inner() -> None:
        pass

    with pytest.raises(BadTaskFunction, match=r"made inside another function\. Define it at the top of a module"):
        tasks.task(isolation="process")(inner)


def test_a_partial_or_an_object_with_a_name_of_its_own_is_a_task_function(tasks: Tasks) -> None:
    tasks.task(name="partial")(functools.partial(plain, 1))
    tasks.task(name="object")(Caller())
    assert set(tasks.functions) == {"partial", "object"}


def test_an_engine_is_an_object_and_no_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"engine='celery' is no engine\. Give an object"):
        Tasks(f"sqlite:///{tmp_path}/tasks.db", engine="celery")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "limits", [{"timeout": 0}, {"timeout": math.inf}, {"attempts": 0}, {"backoff": -1}, {"start_timeout": math.nan}]
)
def test_absurd_limits_are_refused_at_once(tasks: Tasks, limits: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy):
        tasks.task(**limits)(plain)
    assert tasks.functions == {}


@pytest.mark.parametrize("limits", [{"timeout": 0}, {"attempts": 0}, {"start_timeout": -1}, {"timeout": "5"}])
def test_absurd_limits_for_one_call_are_refused_too(tasks: Tasks, limits: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy):
        tasks.task(plain).using(**limits)


@pytest.mark.parametrize("text", [5, "", "\ud800", b"k", "k" * 10_000])
@pytest.mark.parametrize("name", ["key", "owner"])
def test_a_key_or_owner_that_cannot_be_kept_is_refused_by_its_name(tasks: Tasks, name: str, text: Any) -> None:
    with pytest.raises(BadInput, match=f"{name}="):
        tasks.task(plain).using(**{name: text})


@pytest.mark.parametrize(
    "options",
    [
        {"lease": 0}, {"lease": math.inf}, {"retention": 0}, {"retention": -5}, {"retention": math.inf}, {"drain": -1},
        {"drain": math.inf}, {"drain": math.nan}, {"drain": "5"}, {"concurrency": 0}, {"threads": -1}, {"threads": 1.5},
        {"processes": 0}, {"processes": -1}, {"max_result_bytes": 0}, {"concurrency": True}, {"concurrency": "many"},
    ],
    ids=str,
)  # fmt: skip
def test_absurd_numbers_are_refused_by_their_name(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy, match=rf"^{next(iter(options))}="):
        Tasks(f"sqlite:///{tmp_path}/tasks.db", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_registered_is_refused_with_those_that_are(tasks: Tasks) -> None:
    with pytest.raises(UnknownTaskName, match=r"'nothing'; registered here: none\. Nothing was submitted"):
        tasks.submit("nothing")
    tasks.task(plain)
    tasks.task(wait)
    with pytest.raises(UnknownTaskName, match="registered here: plain, wait"):
        tasks.submit("plane", 1)


def test_registering_opens_nothing(tasks: Tasks, tmp_path: Path) -> None:
    tasks.task(plain)
    assert list(tmp_path.iterdir()) == []


# The context.


def first(ctx: Context, a: int) -> int:
    return a


def middle(a: int, ctx: Context, b: int = 5) -> int:
    return a + b


def by_name(a: int, *, ctx: Context) -> int:
    return a


def quoted(a: int, ctx: Context, other: Missing) -> int:  # type: ignore[name-defined] # noqa: F821
    return a


def none_asked(a: int, ctx: int) -> int:
    return a


@pytest.mark.parametrize(
    ("function", "parameter", "position"),
    [(first, "ctx", 0), (middle, "ctx", 1), (by_name, "ctx", None), (quoted, "ctx", 1), (none_asked, None, None)],
)
def test_the_context_is_found_by_its_annotation(
    tasks: Tasks, function: Callable[..., int], parameter: str | None, position: int | None
) -> None:
    described = tasks.task(function).described
    assert (described.context_parameter, described.context_position) == (parameter, position)


class AsyncCaller:
    async def __call__(self, number: int) -> int:
        return number


def not_awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator for plain functions, on an async one."""

    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def test_an_object_whose_call_is_async_runs_on_the_event_loop(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db")
    function = tasks.task(name="caller")(AsyncCaller())
    try:
        assert function.isolation == "coroutine"
        assert function.submit(7).wait(20).result == 7
    finally:
        tasks.stop()


def test_a_coroutine_that_nobody_awaits_is_said_to_be_one(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db")
    function = tasks.task(name="wrapped")(not_awaited(AsyncCaller().__call__))
    try:
        ending = function.submit(7).wait(20)
        assert ending.reason == "result_rejected"
        assert "never awaited. The function is async inside and not outside" in ending.message
    finally:
        tasks.stop()


@pytest.mark.parametrize("url", ["sqlite:///x.db?mode=ro", "sqlite:///x.db#1", "sqlite:///x\0.db"])
def test_a_file_name_with_settings_in_it_is_no_ledger(url: str) -> None:
    with pytest.raises(BadLedgerUrl, match="names no ledger"):
        Tasks(url)
