"""The task functions of the engines' tests: those of the crash tests, and some that end in every way there is."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from settled import Context, Limit, Tasks
from settled.engines.base import RemoteEngine
from tests.crash import functions
from tests.crash.functions import executed


def gives(value: Any, context: Context) -> Any:
    executed(context)
    return value


def gives_in_a_process(value: Any, context: Context) -> Any:
    return gives(value, context)


def alone(path: str, context: Context) -> bool:
    """Whether no other call with this path runs."""
    executed(context)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return False
    time.sleep(0.05)
    os.close(descriptor)
    os.unlink(path)
    return True


def doubles(numbers: list[int]) -> list[int]:
    """Several calls at once."""
    return [2 * number for number in numbers]


async def newest(key: str) -> str:
    """The latest value of a key, or an upstream that fails."""
    if key.endswith("-fails"):
        raise ValueError("the upstream is away")
    return key.upper()


def fails(context: Context) -> None:
    executed(context)
    raise ValueError("as it is told to")


def fails_at_first(context: Context) -> int:
    executed(context)
    if context.attempt == 1:
        raise ValueError("at first")
    return context.attempt


def is_rejected(context: Context) -> float:
    executed(context)
    return float("nan")


def reports(gate: str, context: Context) -> str:
    context.progress(0.5, "half of it")
    return functions.held_in_thread(gate, context)


async def tells_of_its_end(path: str, context: Context) -> None:
    """Wait until it is cancelled, then say so by a file."""
    executed(context)
    try:
        await asyncio.sleep(60)
    finally:
        Path(path).touch()  # noqa: ASYNC240 - takes microseconds


async def waits(seconds: float, context: Context) -> str:
    executed(context)
    await asyncio.sleep(seconds)
    return "waited"


def dies_at_first(context: Context) -> int:
    executed(context)
    if context.attempt == 1:
        os.kill(os.getpid(), 9)
    return context.attempt


def build(url: str, engine: RemoteEngine | None, **options: Any) -> Tasks:
    """The tasks of the app, in the test's process and in the engine's workers."""
    tasks = functions.build(url, engine=engine, **options)
    for function in (gives, fails, fails_at_first, is_rejected, reports, tells_of_its_end, waits, dies_at_first):
        tasks.task(timeout=60, start_timeout=60, backoff=0.05)(function)
    tasks.task(timeout=60, start_timeout=60, isolation="process", kill_grace=0.2)(gives_in_a_process)
    one_by_one = Limit(concurrency=1, key=lambda path: path)
    tasks.task(timeout=60, start_timeout=120, backoff=0.05, limit=one_by_one)(alone)
    tasks.task(timeout=60, start_timeout=60, batch=10)(doubles)
    tasks.latest(fresh_for=600, retry_after=600, timeout=60, start_timeout=60)(newest)
    return tasks
