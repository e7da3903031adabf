"""Runs a store's statements on a connection of the application's own, inside whatever transaction that is in.

Which driver it is of is told by the package of its class, so that none is imported that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

from settled.errors import BadInput

T = TypeVar("T")
Statement = tuple[str, dict[str, Any]]
"""SQL with ``%(name)s`` placeholders, and the values by name."""
Rows = list[tuple[Any, ...]]
Machine = Generator[Statement, Rows, T]
"""Yields statements, is sent the rows of each, and returns what they come to."""

_DRIVERS = ("psycopg", "sqlalchemy", "django")


def run(connection: Any, machine: Machine[T]) -> T:
    """Run a machine on a connection; raise ``BadInput`` for what is none, or is one for an event loop."""
    execute: Callable[[Any, Statement], Rows] = _driver(connection).execute
    if _asynchronous(connection):
        raise BadInput(
            f"A {type(connection).__name__} is for an event loop, where submit would block it. Use await asubmit(…)."
        )
    try:
        statement = next(machine)
        while True:
            statement = machine.send(execute(connection, statement))
    except StopIteration as stop:
        result: T = stop.value
        return result


async def arun(connection: Any, machine: Machine[T]) -> T:
    """The same on an event loop, for either kind of connection."""
    driver = _driver(connection)
    try:
        statement = next(machine)
        while True:
            if _asynchronous(connection):
                rows = await driver.aexecute(connection, statement)
            else:
                rows = driver.execute(connection, statement)
            statement = machine.send(rows)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _packages(connection: Any) -> set[str]:
    return {cls.__module__.partition(".")[0] for cls in type(connection).__mro__}


def _driver(connection: Any) -> ModuleType:
    packages = _packages(connection)
    name = next((name for name in _DRIVERS if name in packages), None)
    if name is None:
        raise BadInput(
            f"{connection!r} is no connection that a task can be submitted in. Give a psycopg connection, an "
            "SQLAlchemy Session or Connection (or their async kinds), or django.db.connection. Nothing was submitted."
        )
    return import_module(f"settled.within.{name}")


def _asynchronous(connection: Any) -> bool:
    return any(
        cls.__name__.startswith("Async") or cls.__name__ == "async_scoped_session" for cls in type(connection).__mro__
    )
