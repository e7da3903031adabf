"""Runs task functions through the real embedded engine, on an event loop in the main thread."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from settled import Ending, Snapshot, TaskFunction, Tasks
from tests.runner import functions

ISOLATIONS = ("coroutine", "thread", "process")
BOUND = 60.0
"""Seconds after which a test gives up on what it waits for."""


class Stage:
    """A ledger, and one isolation for whatever is run on it."""

    def __init__(self, folder: Path, isolation: str) -> None:
        self.folder = folder
        self.isolation = isolation

    def tasks(self, **options: Any) -> Tasks:
        defaults = {"lease": 5.0, "drain": 1.0, "processes": 2, "max_result_bytes": 100_000}
        return Tasks(f"sqlite:///{self.folder}/tasks.db", **(defaults | options))

    def register(self, tasks: Tasks, function: Callable[..., Any], **options: Any) -> TaskFunction[..., Any]:
        """Register a function, made async where this isolation needs that."""
        if self.isolation == "coroutine" and not inspect.iscoroutinefunction(function):
            function = made_async(function)
        options = {"timeout": 30.0, "isolation": self.isolation} | options
        return tasks.task(**options)(function)

    def act(self, play: Callable[[Tasks], Awaitable[Any]], **options: Any) -> Any:
        """Serve tasks while ``play`` runs on the same loop; return what it returns."""

        async def serve() -> Any:
            tasks = self.tasks(**options)
            async with tasks.lifespan():
                return await asyncio.wait_for(play(tasks), timeout=BOUND)

        return asyncio.run(serve())

    def run(self, function: Callable[..., Any], *args: Any, **options: Any) -> Snapshot:
        """Run one task to its end; then another one, that shows that nothing else was harmed."""
        return self.run_all(function, [args], **options)[0]

    def run_all(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], **options: Any) -> list[Snapshot]:
        """The same for several calls at once."""

        async def play(tasks: Tasks) -> list[Snapshot]:
            registered = self.register(tasks, function, name="culprit", **options)
            good = self.register(tasks, functions.give, name="good")
            submitted = [await registered.asubmit(*args) for args in calls]
            for task in submitted:
                ended(await task)
            assert ended(await (await good.asubmit("well"))).result == "well"
            return [tasks.get(task.id) for task in submitted]

        rows: list[Snapshot] = self.act(play)
        return rows


def made_async(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return run


def ended(ending: Ending) -> Snapshot:
    assert ending.snapshot is not None, ending
    return ending.snapshot


def late_by(row: Snapshot) -> int:
    """Milliseconds from the attempt's deadline to its settling, by the ledger's own instants."""
    assert row.started_at is not None
    assert row.finished_at is not None
    return row.finished_at - (row.started_at + row.timeout_ms)


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not yet waited for does not."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc here, or it has just ended
        return Path("/proc/self").exists() is False


def comes_true(condition: Callable[[], object], seconds: float = 15.0) -> bool:
    """Look again and again, for a bounded time, until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


async def acomes_true(condition: Callable[[], object], seconds: float = 15.0) -> bool:
    """The same, letting the loop go on."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True
