"""The functions that go wrong: each does one thing that must not leave anybody waiting.

They are plain functions; ``faults`` says in which isolation each is run, and how it must end.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from settled import Context

# --- exceptions -------------------------------------------------------------------------------


def exception() -> None:
    raise RuntimeError("the printer is out of paper")


def exception_empty_message() -> None:
    raise RuntimeError


def exception_with_cause() -> None:
    try:
        json.loads("{}")["address"]
    except KeyError as error:
        raise RuntimeError("the customer has no address") from error


def exception_group() -> None:
    raise ExceptionGroup("two of three parts failed", [ValueError("no price"), ConnectionError("no stock")])


class Unspeakable(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("str() of an exception raised an exception")

    __repr__ = __str__


def exception_str_raises() -> None:
    raise Unspeakable


class NeedsTwo(Exception):
    """An exception that cannot be made again from its own ``args``, as unpickling would try."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} (code {code})")


def exception_required_arguments() -> None:
    raise NeedsTwo(42, "the valve is stuck")


def exception_10mb() -> None:
    raise RuntimeError("far too much to say. " * 500_000)


def exception_nul_and_surrogates() -> None:
    raise RuntimeError("a NUL \x00, a lone surrogate \ud800, an escape \x1b[31m and a snowman \u2603")


def system_exit() -> None:
    sys.exit(3)


def keyboard_interrupt() -> None:
    raise KeyboardInterrupt


def cancelled_error() -> None:
    raise asyncio.CancelledError("nobody had asked for this")


def memory_error() -> None:
    raise MemoryError("cannot allocate the whole universe")


def recursion_error() -> None:
    recursion_error()


# --- sudden deaths ----------------------------------------------------------------------------


def os_exit() -> None:
    os._exit(7)


def segfault() -> None:
    ctypes.string_at(0)


def sigkill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sigkill_outside() -> None:
    killer = f"import os, time; time.sleep(0.3); os.kill({os.getpid()}, {signal.SIGKILL:d})"
    subprocess.Popen([sys.executable, "-c", killer])
    time.sleep(60)


def memory_limit() -> None:
    hoard = []
    while True:
        hoard.append(b"x" * 10_000_000)


# --- hangs ------------------------------------------------------------------------------------


async def async_hang() -> None:
    await asyncio.Event().wait()


async def async_hang_stubborn() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


def sync_hang() -> None:
    threading.Event().wait()


def busy_loop() -> None:
    while True:
        pass


def busy_loop_gil() -> None:
    any(itertools.repeat(False))  # runs in C for ever: never releases the GIL, never looks at signals


# --- results ----------------------------------------------------------------------------------


def result_unserialisable() -> Any:
    return threading.Lock()


def result_cyclic() -> Any:
    snake: list[Any] = []
    snake.append(snake)
    return snake


def result_nan() -> Any:
    return {"average": math.nan}


def result_bytes() -> Any:
    return b"\x00\xff\x10"


def result_50mb() -> Any:
    return "x" * 50_000_000


def result_datetime() -> Any:
    return datetime(2061, 7, 28, 12, 0, tzinfo=UTC)


def result_set() -> Any:
    return {"red", "green", "blue"}


@dataclass
class Parcel:
    """A result as a dataclass."""

    weight: float
    sent: datetime


def result_dataclass() -> Any:
    return Parcel(weight=1.5, sent=datetime(2026, 1, 31, tzinfo=UTC))


def result_pydantic() -> Any:
    from pydantic import BaseModel  # comes with FastAPI; the core does not need it

    class Letter(BaseModel):
        to: str
        pages: int

    return Letter(to="Ada", pages=3)


def child_left_behind() -> Any:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    return {"left_behind": child.pid}


# --- for the workers that are harmed from outside ----------------------------------------------


async def long_work() -> str:
    await asyncio.sleep(60)
    return "done"


async def done_at_the_third_attempt(context: Context) -> dict[str, int]:
    if context.attempt < 3:
        await asyncio.sleep(60)
    return {"attempt": context.attempt}


async def done_at_the_second_attempt(context: Context) -> dict[str, int]:
    if context.attempt < 2:
        await asyncio.sleep(60)
    return {"attempt": context.attempt}


async def short_work() -> str:
    await asyncio.sleep(1.5)
    return "done"


async def long_result() -> str:
    await asyncio.sleep(1)
    return "stored at last, " * 15_000


def nothing() -> None:
    pass


# --- late results -----------------------------------------------------------------------------


def late_result() -> str:
    time.sleep(3)
    return "too late"


async def late_result_async() -> str:
    end = time.monotonic() + 3
    while (left := end - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue
    return "too late"
