"""Arguments: they fit the signature and are JSON, or nothing is submitted."""

from __future__ import annotations

import asyncio
import datetime
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settled import BadArguments, BadInput, Context, Tasks
from settled.function import arguments_of


@pytest.fixture
def tasks(tmp_path: Path) -> Tasks:
    return Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False, max_result_bytes=1_000)


def plain(a: int, b: int = 2, *, c: int = 3) -> None: ...
def rest(a: int, *more: int, **named: int) -> None: ...
def needs_name(a: int, *, c: int) -> None: ...
def only_position(a: int, b: int = 1, /) -> None: ...
def with_context(ctx: Context, a: int) -> None: ...
def named_like_ours(self: int, name: int, key: int) -> None: ...


GOOD: list[tuple[Callable[..., None], tuple[Any, ...], dict[str, Any]]] = [
    (plain, (1,), {}),
    (plain, (1, 2), {}),
    (plain, (1,), {"b": 2, "c": 3}),
    (plain, (), {"a": 1}),
    (rest, (1, 2, 3, 4), {}),
    (rest, (1,), {"x": 1}),
    (needs_name, (1,), {"c": 1}),
    (only_position, (1, 2), {}),
    (with_context, (1,), {}),
    (with_context, (), {"a": 1}),
    (named_like_ours, (), {"self": 1, "name": 2, "key": 3}),
]
BAD: list[tuple[Callable[..., None], tuple[Any, ...], dict[str, Any], str]] = [
    (plain, (), {}, "missing a required argument: 'a'"),
    (plain, (1, 2, 3), {}, "too many positional arguments"),
    (plain, (1,), {"a": 1}, "multiple values for argument 'a'"),
    (plain, (1,), {"d": 1}, "unexpected keyword argument 'd'"),
    (rest, (), {}, "missing a required argument: 'a'"),
    (needs_name, (1,), {}, "'c'"),
    (needs_name, (1, 2), {}, "too many positional arguments"),
    (only_position, (), {"a": 1}, "'a'"),
    (with_context, (), {}, "missing a required argument: 'a'"),
    (with_context, (1, 2), {}, "too many positional arguments"),
    (with_context, (1,), {"ctx": 1}, "unexpected keyword argument 'ctx'"),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), GOOD)
def test_arguments_that_fit_are_kept(tasks: Tasks, function: Any, args: Any, kwargs: Any) -> None:
    row = tasks.task(function).submit(*args, **kwargs).snapshot
    assert json.loads(row.arguments) == {"args": list(args), "kwargs": kwargs}
    tasks.stop()


@pytest.mark.parametrize(("function", "args", "kwargs", "said"), BAD)
def test_arguments_that_do_not_fit_are_refused_with_the_signature(
    tasks: Tasks, function: Any, args: Any, kwargs: Any, said: str
) -> None:
    registered = tasks.task(function)
    for submit in (registered.submit, lambda *a, **k: asyncio.run(registered.asubmit(*a, **k))):
        with pytest.raises(BadArguments, match=r"cannot be called like this: .*\. Nothing was submitted") as refusal:
            submit(*args, **kwargs)
        assert said in str(refusal.value)
        assert f"{function.__name__}(" in str(refusal.value)
        assert "Context" not in str(refusal.value)
    assert tasks.ledger.counts()["pending"] == 0
    tasks.stop()


CYCLE: list[Any] = []
CYCLE.append(CYCLE)
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value",
    [
        math.nan, math.inf, {1, 2}, b"x", object(), datetime.datetime.now(datetime.UTC), CYCLE, DEEP, {(1, 2): 3}, 1j,
        lambda: 1, 10**5000, [1, {"a": {2}}],
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
@pytest.mark.parametrize("by_name", [False, True])
def test_an_argument_that_is_no_json_is_named(tasks: Tasks, value: Any, by_name: bool) -> None:
    registered = tasks.task(plain)
    args, kwargs = ((1,), {"b": value}) if by_name else ((1, value), {})
    with pytest.raises(BadArguments, match=r"^Argument 'b' of plain cannot be kept: ") as refusal:
        registered.submit(*args, **kwargs)
    assert "Nothing was submitted" in str(refusal.value)
    assert isinstance(refusal.value, BadInput)
    assert tasks.ledger.counts()["pending"] == 0
    tasks.stop()


def test_arguments_that_are_too_large_are_refused_with_both_sizes(tasks: Tasks) -> None:
    registered = tasks.task(plain)
    with pytest.raises(BadArguments, match=r"are 2,0\d\d bytes of JSON, more than the 1,000 allowed\. Store the data"):
        registered.submit("x" * 2_000)
    registered.submit("x" * 900)
    tasks.stop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
    max_leaves=10,
)  # fmt: skip


@given(st.lists(JSON), st.dictionaries(st.text(st.characters(exclude_categories=())), JSON))
def test_any_json_comes_back_as_it_was_and_can_be_stored(args: list[Any], kwargs: dict[str, Any]) -> None:
    text = arguments_of("work", tuple(args), kwargs, 10**9)
    text.encode()
    assert "\x00" not in text
    assert json.loads(text) == {"args": args, "kwargs": kwargs}
