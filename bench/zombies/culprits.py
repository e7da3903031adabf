"""What goes wrong inside a task: one body for all systems, which notes each execution in a file outside of them.

A system's task is ``run(name, token)``, or ``await arun(name, token)`` where its tasks are coroutines: then a
culprit that blocks does so on the event loop, as it would in that system. The names are those of the demo's faults.
Nothing but the standard library is imported, settled least of all.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from bench.zombies.marks import PROCESS, marked, send

FOLDER = "ZOMBIES_NOTES"
"""The environment variable that names the folder of the notes."""
WORK = 6.0
"""Seconds that an ordinary task takes: less than every time limit here, more than the harness needs to harm it."""
DONE = "done"

Culprit = Callable[[], Any]
CULPRITS: dict[str, Culprit] = {}
COROUTINES: dict[str, Culprit] = {}
"""What a system with coroutines runs instead, where the two differ."""


def run(name: str, token: str) -> Any:
    """Run a culprit in a system whose tasks are plain functions."""
    culprit = CULPRITS[name]
    if iscoroutinefunction(culprit):
        return noted(token, lambda: asyncio.run(culprit()))
    return noted(token, culprit)


async def arun(name: str, token: str) -> Any:
    """Run a culprit in a system whose tasks are coroutines."""
    culprit = COROUTINES.get(name, CULPRITS[name])
    note(token, "begin")
    try:
        result = await culprit() if iscoroutinefunction(culprit) else culprit()
    except BaseException as error:
        note(token, f"raised {type(error).__name__}")
        raise
    note(token, "returned")
    return result


def noted(token: str, culprit: Culprit) -> Any:
    note(token, "begin")
    try:
        result = culprit()
    except BaseException as error:
        note(token, f"raised {type(error).__name__}")
        raise
    note(token, "returned")
    return result


def note(token: str, what: str) -> None:
    """One line, in one write, with the machine's clock and the process."""
    line = f"{time.time():.3f} {os.getpid()} {what}\n"
    descriptor = os.open(Path(os.environ[FOLDER]) / token, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def culprit(name: str) -> Callable[[Culprit], Culprit]:
    def enter(function: Culprit) -> Culprit:
        CULPRITS[name] = function
        return function

    return enter


def as_coroutine(name: str) -> Callable[[Culprit], Culprit]:
    def enter(function: Culprit) -> Culprit:
        COROUTINES[name] = function
        return function

    return enter


# --- nothing goes wrong -----------------------------------------------------------------------


@culprit("control")
def control() -> str:
    return DONE


@culprit("work")
def work() -> str:
    time.sleep(WORK)
    return DONE


@as_coroutine("work")
async def work_on_the_loop() -> str:
    await asyncio.sleep(WORK)
    return DONE


LARGE = "".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(9_600))
"""A result of 600 kB that does not compress: more than a store has room for in what it has allocated already."""


@culprit("large-work")
def large_work() -> str:
    time.sleep(WORK)
    return LARGE


@as_coroutine("large-work")
async def large_work_on_the_loop() -> str:
    await asyncio.sleep(WORK)
    return LARGE


# --- exceptions -------------------------------------------------------------------------------


@culprit("exception")
def exception() -> None:
    raise RuntimeError("the printer is out of paper")


@culprit("exception-empty-message")
def exception_empty_message() -> None:
    raise RuntimeError


@culprit("exception-with-cause")
def exception_with_cause() -> None:
    try:
        json.loads("{}")["address"]
    except KeyError as error:
        raise RuntimeError("the customer has no address") from error


@culprit("exception-group")
def exception_group() -> None:
    raise ExceptionGroup("two of three parts failed", [ValueError("no price"), ConnectionError("no stock")])


class Unspeakable(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("str() of an exception raised an exception")

    __repr__ = __str__


@culprit("exception-str-raises")
def exception_str_raises() -> None:
    raise Unspeakable


class NeedsTwo(Exception):
    """An exception that cannot be made again from its own ``args``, as unpickling would try."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} (code {code})")


@culprit("exception-required-arguments")
def exception_required_arguments() -> None:
    raise NeedsTwo(42, "the valve is stuck")


@culprit("exception-10mb")
def exception_10mb() -> None:
    raise RuntimeError("far too much to say. " * 500_000)


@culprit("exception-nul-and-surrogates")
def exception_nul_and_surrogates() -> None:
    raise RuntimeError("a NUL \x00, a lone surrogate \ud800, an escape \x1b[31m and a snowman \u2603")


@culprit("system-exit")
def system_exit() -> None:
    sys.exit(3)


@culprit("keyboard-interrupt")
def keyboard_interrupt() -> None:
    raise KeyboardInterrupt


@culprit("cancelled-error")
def cancelled_error() -> None:
    raise asyncio.CancelledError("nobody had asked for this")


@culprit("memory-error")
def memory_error() -> None:
    raise MemoryError("cannot allocate the whole universe")


@culprit("recursion-error")
def recursion_error() -> None:
    recursion_error()


# --- sudden deaths ----------------------------------------------------------------------------


@culprit("os-exit")
def os_exit() -> None:
    os._exit(7)


@culprit("segfault")
def segfault() -> None:
    ctypes.string_at(0)


@culprit("sigkill-self")
def sigkill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


WATCHER = """
import os, signal, sys, time
pid, most = int(sys.argv[1]), int(sys.argv[2])
size = lambda: int(open(f"/proc/{pid}/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
most += size()
while size() < most:
    time.sleep(0.01)
os.kill(pid, signal.SIGKILL)
"""


@culprit("memory-limit")
def memory_limit() -> None:
    """Hoard 200 MB, and be killed for it, as by the kernel in a container; a watcher stands in for the kernel."""
    subprocess.Popen([sys.executable, "-S", "-c", WATCHER, str(os.getpid()), "200000000"])
    hoard = []
    while True:
        if len(hoard) < 40:
            hoard.append(b"x" * 10_000_000)
        time.sleep(0.02)


@culprit("poison-task")
def poison_task() -> None:
    """Take the whole worker along, as a container does when it is out of memory."""
    send(marked(PROCESS, os.environ[PROCESS]), signal.SIGKILL)  # all but this process
    os.kill(os.getpid(), signal.SIGKILL)


@culprit("child-left-behind")
def child_left_behind() -> str:
    subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(70)"])
    return DONE


# --- hangs ------------------------------------------------------------------------------------


@culprit("async-hang")
async def async_hang() -> None:
    await asyncio.Event().wait()


@culprit("async-hang-stubborn")
async def async_hang_stubborn() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@culprit("sync-hang")
def sync_hang() -> None:
    threading.Event().wait()


@culprit("busy-loop")
def busy_loop() -> None:
    os.nice(19)  # the cells beside this one want to live
    while True:
        pass


@culprit("busy-loop-gil")
def busy_loop_gil() -> None:
    os.nice(19)
    any(itertools.repeat(False))  # runs in C for ever: never releases the GIL, never looks at signals


LATE = 16.0
"""Seconds until a late result comes: longer than every time limit here."""


@culprit("late-result")
def late_result() -> str:
    """Deliver after the time limit, and heed no exception that is raised in it meanwhile."""
    end = time.monotonic() + LATE
    while (left := end - time.monotonic()) > 0:
        try:
            time.sleep(min(left, 0.5))
        except Exception:
            continue
    return DONE


@as_coroutine("late-result")
async def late_result_on_the_loop() -> str:
    end = time.monotonic() + LATE
    while (left := end - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue
    return DONE


# --- results ----------------------------------------------------------------------------------


@culprit("result-unserialisable")
def result_unserialisable() -> Any:
    return threading.Lock()


@culprit("result-cyclic")
def result_cyclic() -> Any:
    snake: list[Any] = []
    snake.append(snake)
    return snake


@culprit("result-nan")
def result_nan() -> Any:
    return {"average": math.nan}


@culprit("result-bytes")
def result_bytes() -> Any:
    return b"\x00\xff\x10"


@culprit("result-surrogates")
def result_surrogates() -> Any:
    return "half of an emoji: \ud83d, and a NUL: \x00"


@culprit("result-50mb")
def result_50mb() -> Any:
    return "x" * 50_000_000
