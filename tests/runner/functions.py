"""Task functions that misbehave, each in one way; a new process can import them."""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import datetime
import decimal
import enum
import importlib
import math
import multiprocessing
import os
import pathlib
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from settled import Context, PublicError

LONG = 60.0
"""Seconds that stand for ever: no test waits so long, and no thread that is left behind goes on for longer."""
REFUSED = 10.0
"""Seconds for which a function that refuses to end does so: longer than any timeout that it is given."""


def give(value: object = None) -> object:
    return value


# -- exceptions


class NeedsArguments(Exception):
    """Cannot be made anew by unpickling."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{detail} ({code})")


class StrRaises(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class StrExits(Exception):
    def __str__(self) -> str:
        raise SystemExit(9)


class StrIsNone(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value] # noqa: PLE0307


class Unreadable(Exception):
    """Raises whatever one asks it."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(f"no {name}")


def with_cause() -> None:
    try:
        raise ConnectionError("refused by 10.0.0.1")
    except ConnectionError as error:
        raise RuntimeError("cannot load the page") from error


def cause_of_itself() -> None:
    error = ValueError("chicken and egg")
    error.__cause__ = error
    raise error


def recursion() -> None:
    recursion()


def fill_memory() -> None:
    raise MemoryError


EXCEPTIONS: dict[str, Callable[[], BaseException | None]] = {
    "plain": lambda: ValueError("no such page"),
    "empty": ValueError,
    "blank": lambda: ValueError(""),
    "cause": with_cause,  # type: ignore[dict-item]
    "cause of itself": cause_of_itself,  # type: ignore[dict-item]
    "group": lambda: ExceptionGroup("two went wrong", [ValueError("first"), KeyError("second")]),
    "base group": lambda: BaseExceptionGroup("two went wrong", [KeyboardInterrupt(), ValueError("first")]),
    "str raises": StrRaises,
    "str exits": StrExits,
    "str is none": StrIsNone,
    "unreadable": Unreadable,
    "needs arguments": lambda: NeedsArguments(7, "odd"),
    "ten megabytes": lambda: ValueError("x" * 10_000_000),
    "ten hyphenated megabytes": lambda: ValueError("a-" * 5_000_000),
    "nul and surrogates": lambda: ValueError("a\x00b\ud800c"),
    "credentials": lambda: ConnectionError("postgres://app:hunter2@db refused"),
    "system exit": lambda: SystemExit(3),
    "system exit with words": lambda: SystemExit("bye"),
    "system exit of success": lambda: SystemExit(0),
    "keyboard interrupt": KeyboardInterrupt,
    "cancelled": asyncio.CancelledError,
    "generator exit": GeneratorExit,
    "stop iteration": StopIteration,
    "memory": fill_memory,  # type: ignore[dict-item]
    "recursion": recursion,  # type: ignore[dict-item]
    "key": lambda: KeyError("page"),
    "timeout": lambda: TimeoutError("upstream"),
    "public": lambda: PublicError("This address does not exist."),
}


def fail(name: str) -> None:
    error = EXCEPTIONS[name]()
    if error is not None:
        raise error


# -- results


@dataclasses.dataclass
class Page:
    url: str
    at: datetime.date = datetime.date(2026, 1, 2)
    inner: Page | None = None


class BrokenModel:
    @property
    def model_dump(self) -> object:
        raise KeyboardInterrupt


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


class RaisingDict(dict[str, int]):
    def items(self) -> Any:
        raise ZeroDivisionError("no items")


def cyclic() -> list[object]:
    made: list[object] = []
    made.append(made)
    return made


def cyclic_page() -> Page:
    page = Page("a")
    page.inner = page
    return page


def deep() -> list[object]:
    made: list[object] = []
    for _ in range(100_000):
        made = [made]
    return made


RESULTS: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "text": lambda: "ü \N{PILE OF POO} \"' \\",
    "numbers": lambda: [1, -2.5, 10**30, True],
    "tuple": lambda: (1, (2,)),
    "named tuple": lambda: Point(1, 2),
    "whole keys": lambda: {1: "a"},
    "datetime": lambda: datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
    "date and time": lambda: [datetime.date(2026, 1, 2), datetime.time(3, 4), datetime.timedelta(minutes=1)],
    "set": lambda: {3, 1, 2},
    "mixed set": lambda: {1},
    "frozen set": lambda: frozenset("a"),
    "dataclass": lambda: Page("a", inner=Page("b")),
    "pydantic": lambda: importlib.import_module("tests.runner.models").Model(url="a"),  # slow to import
    "enum": lambda: [Colour.RED],
    "uuid, decimal, path": lambda: [uuid.UUID(int=1), decimal.Decimal("1.50"), pathlib.PurePosixPath("/a")],
    "nul": lambda: {"a\x00": "b\x00c"},
    "pairs": lambda: {"a": "\U0001f600", "\\ud83d": "\\u0000"},
    "half of a pair": lambda: {"a": "b\ud83dc"},
    "half of a pair as a key": lambda: [{"\udcff": 1}],
    "nan": lambda: math.nan,
    "inner infinity": lambda: {"a": [math.inf]},
    "bytes": lambda: b"abc",
    "inner bytes": lambda: {"a": b"abc"},
    "cyclic": cyclic,
    "cyclic dataclass": cyclic_page,
    "deep": deep,
    "object": object,
    "function": lambda: give,
    "class": lambda: Page,
    "generator": lambda: (number for number in [1]),
    "complex": lambda: 1j,
    "tuple keys": lambda: {(1, 2): 3},
    "broken model": BrokenModel,
    "raising dict": lambda: RaisingDict(a=1),
    "endless integer": lambda: 10**5_000,
    "fifty megabytes": lambda: "x" * 50_000_000,
    "lock": threading.Lock,
}


def result(name: str) -> object:
    return RESULTS[name]()


# -- ways for a process to die


def die(how: str) -> None:
    if how == "exit":
        os._exit(7)
    elif how == "exit as if well":
        os._exit(0)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "closed":
        os.closerange(3, 256)
        os._exit(1)
    if how != "SIGKILL":
        signal.signal(signal.Signals[how], signal.SIG_DFL)  # nohup, for one, has its children ignore some
    os.kill(os.getpid(), signal.Signals[how])
    time.sleep(LONG)


def eat(kind: str) -> int:
    """Take memory until there is none."""
    taken: list[object] = []
    if kind == "at once":
        return len(bytearray(4 << 30))
    while True:
        taken.append(bytearray(1 << 20) if kind == "in pieces" else [len(taken)] * 100)


def leave_a_child() -> int:
    return subprocess.Popen(["sleep", str(LONG)]).pid


def leave_a_fork() -> int | None:
    pid = os.fork()
    if pid == 0:
        time.sleep(LONG)
        os._exit(0)
    return pid


def leave_a_thread() -> str:
    threading.Thread(target=time.sleep, args=(LONG,)).start()
    return "returned"


def use_a_pool() -> int:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(os.getpid)


# -- ways to take too long; each says first who and where it is


def sleep(folder: str) -> None:
    time.sleep(LONG)


def be_busy(folder: str) -> None:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        pass


def hold_the_interpreter(folder: str) -> None:
    ctypes.PyDLL(None).sleep(int(LONG))


def ignore_term(folder: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(LONG)


def stop_oneself(folder: str) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def wait_for_a_child(folder: str) -> None:
    child = subprocess.Popen(["sleep", str(LONG)])
    pathlib.Path(folder, "child").write_text(str(child.pid))
    child.wait()


def refuse_to_end(folder: str) -> None:
    end = time.monotonic() + REFUSED
    while time.monotonic() < end:
        try:
            time.sleep(0.01)
        except BaseException:
            continue


HANGS: dict[str, Callable[[str], None]] = {
    "sleep": sleep,
    "busy": be_busy,
    "holding the interpreter": hold_the_interpreter,
    "ignoring TERM": ignore_term,
    "stopped": stop_oneself,
    "with a family": wait_for_a_child,
    "refusing to end": refuse_to_end,
}


def hang(ctx: Context, how: str, folder: str) -> None:
    ctx.progress(None, str(os.getpid()))
    pathlib.Path(folder, "pid").write_text(str(os.getpid()))
    HANGS[how](folder)


async def ahang(ctx: Context, how: str, folder: str) -> None:
    ctx.progress(None, str(os.getpid()))
    if how == "await":
        await asyncio.sleep(LONG)
    elif how == "refusing to end":
        end = time.monotonic() + REFUSED
        while time.monotonic() < end:
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue
    else:
        hang(ctx, how, folder)


# -- well behaved ones, that use what they are given


def first(ctx: Context, url: str, *more: int) -> list[object]:
    return [url, *more, ctx.attempt, ctx.max_attempts, len(ctx.id), ctx.time_left > 0, ctx.cancelled]


def flaky(ctx: Context, until: int) -> int:
    if ctx.attempt < until:
        raise ConnectionError(f"attempt {ctx.attempt} did not get through")
    return ctx.attempt


def public_flaky(ctx: Context, retry: bool) -> int:
    if ctx.attempt == 1:
        raise PublicError("Come back later.", retry=retry)
    return ctx.attempt


def tell(ctx: Context, folder: str) -> str:
    """Report progress, then wait to be let go."""
    ctx.progress(0.5, "half")
    return wait_for(pathlib.Path(folder, "go"))


def wait_for(path: pathlib.Path) -> str:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        if path.exists():
            return "went"
        time.sleep(0.01)
    return "was never let go"


async def atell(ctx: Context, folder: str) -> str:
    ctx.progress(0.5, "half")
    return await asyncio.to_thread(wait_for, pathlib.Path(folder, "go"))


def stop_when_told(ctx: Context, folder: str) -> None:
    """Look whether it is cancelled, and leave a note when it stops."""
    ctx.progress(None, "waiting")
    try:
        end = time.monotonic() + LONG
        while not ctx.cancelled and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        note_that_it_stopped(ctx, folder)


def note_that_it_stopped(ctx: Context, folder: str) -> None:
    pathlib.Path(folder, "stopped").write_text(f"cancelled={ctx.cancelled}")


async def astop_when_told(ctx: Context, folder: str) -> None:
    ctx.progress(None, "waiting")
    try:
        await asyncio.sleep(LONG)
    finally:
        note_that_it_stopped(ctx, folder)


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def stop_the_loop() -> str:
    _loop().stop()
    return "stopped"


async def cancel_everybody() -> str:
    for task in asyncio.all_tasks():
        task.cancel()
    return "cancelled"


async def cancel_the_engine_often() -> str:
    for _ in range(100):
        await asyncio.sleep(0.002)
        for task in asyncio.all_tasks():
            if task.get_name() == "settled-engine":
                task.cancel()
    return "cancelled"


_SET = ContextVar("_SET", default="as it was")


def set_a_variable(value: str) -> str:
    before = _SET.get()
    _SET.set(value)
    return before


async def exit_in_a_task_of_its_own() -> str:
    async def leave() -> None:
        raise SystemExit(4)

    _loop().create_task(leave())
    await asyncio.sleep(0.1)
    return "stayed"


class Holder:
    """A namespace."""

    @staticmethod
    def nested(value: int) -> int:
        return value + 1
