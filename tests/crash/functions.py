"""The task functions of the crash tests. Each execution leaves evidence; most wait at a gate, a file of the test's."""

# ruff: noqa: ASYNC110, ASYNC240, ASYNC251 -- they look for files and hold their event loop on purpose

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from typing import Any

from settled import Context, Tasks

EVIDENCE = "SETTLED_CRASH_EVIDENCE"
LEDGER = "SETTLED_CRASH_LEDGER"
OPTIONS = "SETTLED_CRASH_OPTIONS"
WITHOUT = "SETTLED_CRASH_WITHOUT"


def executed(context: Context) -> None:
    """Append who runs what to the evidence, in one write that no other process can break into."""
    line = f"{context.id} {context.attempt} {os.getpid()}\n".encode()
    descriptor = os.open(os.environ[EVIDENCE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


async def quick(value: Any, context: Context) -> Any:
    executed(context)
    return value


async def sleeps(seconds: float, context: Context) -> str:
    executed(context)
    await asyncio.sleep(seconds)
    return "slept"


async def held(gate: str, context: Context) -> str:
    executed(context)
    while not os.path.exists(gate):
        await asyncio.sleep(0.01)
    return "opened"


async def held_in_a_crowd(gate: str, context: Context) -> str:
    executed(context)
    while not os.path.exists(gate):
        await asyncio.sleep(0.5)  # there are thousands
    return "opened"


async def holds_the_loop(gate: str, context: Context) -> str:
    executed(context)
    while not os.path.exists(gate):
        time.sleep(0.01)
    return "opened"


async def blocks_the_loop(seconds: float, context: Context) -> str:
    executed(context)
    time.sleep(seconds)
    return "slept"


async def spins_the_loop(context: Context) -> str:
    executed(context)
    while True:
        pass


async def held_then_large(gate: str, size: int, context: Context) -> str:
    await held(gate, context)
    return "x" * size


def held_in_thread(gate: str, context: Context) -> str:
    executed(context)
    while not os.path.exists(gate):
        time.sleep(0.01)
    return "opened"


def held_in_process(gate: str, context: Context) -> str:
    return held_in_thread(gate, context)


def has_a_family(gate: str, pids: str, context: Context) -> str:
    executed(context)
    child = subprocess.Popen(["sleep", "300"])
    with open(f"{pids}.part", "w", encoding="ascii") as file:
        file.write(f"{os.getpid()} {child.pid}")
    os.rename(f"{pids}.part", pids)
    while not os.path.exists(gate):
        time.sleep(0.01)
    return "opened"


def copies_a_folder(folder: str, gate: str, context: Context) -> str:
    shutil.copytree(folder, f"{gate}-copy")
    return held_in_thread(gate, context)


def forks(gate: str, pids: str, context: Context) -> str:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    with open(pids, "w", encoding="ascii") as file:
        file.write(str(pid))
    return held_in_thread(gate, context)


def kills_its_worker(context: Context) -> None:
    executed(context)
    os.kill(os.getpid(), signal.SIGKILL)


def keeps_the_interpreter_lock(seconds: int, context: Context) -> str:
    executed(context)
    ctypes.PyDLL(None).sleep(seconds)  # unlike CDLL, a PyDLL call does not let go of the lock
    return "slept"


def keeps_it_in_a_process(seconds: int, context: Context) -> str:
    return keeps_the_interpreter_lock(seconds, context)


COROUTINES_AND_THREADS = (
    quick, sleeps, held, held_then_large, held_in_a_crowd, holds_the_loop, blocks_the_loop, spins_the_loop,
    held_in_thread, copies_a_folder, forks, kills_its_worker, keeps_the_interpreter_lock,
)  # fmt: skip
PROCESSES = (held_in_process, has_a_family, keeps_it_in_a_process)


def build(url: str, without: str = "", **options: Any) -> Tasks:
    """The tasks of one version of the app; ``without`` names a function that this version does not have."""
    tasks = Tasks(url, **options)
    for function in COROUTINES_AND_THREADS:
        if function.__name__ != without:
            tasks.task(timeout=60, start_timeout=60, backoff=0.05)(function)
    for function in PROCESSES:
        tasks.task(timeout=60, start_timeout=60, backoff=0.05, isolation="process", kill_grace=0.2)(function)
    return tasks


def build_here() -> Tasks:
    """The tasks of this process, as its environment says."""
    return build(os.environ[LEDGER], os.environ.get(WITHOUT, ""), **json.loads(os.environ.get(OPTIONS, "{}")))
