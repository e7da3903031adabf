"""Runs ``async def`` task functions on the event loop.

A coroutine that does not await holds the loop, and with it every other task of the process. When
its time is over an exception is raised inside it: a pure-Python loop ends so, and on the main
thread a blocking system call too; a call in C that never returns to Python does not.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from settled.runner.base import Call
from settled.runner.context import begun
from settled.runner.outcome import Outcome, raised
from settled.runner.where import line_in_thread, line_of_coroutine


class Broken(BaseException):
    """Raised inside a task function that holds its thread past its timeout."""


class CoroutineIsolation:
    """Calls on the running event loop."""

    def __init__(self) -> None:
        self._breaker = _Breaker()

    def start(self, call: Call, ended: Callable[[Outcome], None]) -> _Coroutine:
        self._breaker.install()
        return _Coroutine(call, ended, self._breaker)

    def close(self) -> None:
        self._breaker.remove()


class _Coroutine:
    """One coroutine as an asyncio task that never raises."""

    __slots__ = ("_breaker", "_call", "_ended", "_loop", "_task", "_thread")

    def __init__(self, call: Call, ended: Callable[[Outcome], None], breaker: _Breaker) -> None:
        self._call = call
        self._ended = ended
        self._breaker = breaker
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._task: asyncio.Task[None] = self._loop.create_task(self._run())

    async def _run(self) -> None:
        call = self._call
        try:
            args, kwargs = call.arguments()
            begun(call.context)
            outcome = call.finished(await call.function.call(*args, **kwargs))
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: they must not stop the server
            outcome = raised(error)
        self._ended(outcome)

    def give_up(self) -> None:
        self._task.cancel()
        # One that ignores its cancellation does not keep its place.
        self._loop.call_later(self._call.function.kill_grace, self._ended, Outcome(None))

    def where(self) -> str:
        if asyncio.current_task(self._loop) is self._task:
            line = line_in_thread(self._thread)
            return f"it held the event loop at {line}" if line else "it held the event loop"
        line = line_of_coroutine(self._task.get_coro())
        return f"it was waiting at {line}" if line else ""

    def interrupt(self) -> None:
        self._breaker.break_off(self._loop, self._task, self._thread)


class _Breaker:
    """Raises ``Broken`` inside the one coroutine that holds its loop, and nowhere else.

    A loop in the main thread gets SIGURG, which nothing else uses and which is ignored by default:
    its handler also ends blocking system calls. Another thread gets an asynchronous exception.
    """

    def __init__(self) -> None:
        self._hog: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        self._before: Any = None
        self._installed = False

    def install(self) -> None:
        if not self._installed and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGURG, self._handle)
            self._installed = True

    def remove(self) -> None:
        if self._installed and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGURG, self._before or signal.SIG_DFL)
            self._installed = False

    def break_off(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], thread: int) -> None:
        if asyncio.current_task(loop) is not task:
            return
        if self._installed and thread == threading.main_thread().ident:
            self._hog = (loop, task)
            signal.pthread_kill(thread, signal.SIGURG)
        else:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Broken))

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        hog, self._hog = self._hog, None
        if hog is not None and asyncio.current_task(hog[0]) is hog[1]:
            raise Broken("The task function held the event loop past its timeout.")
