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
from settled.runner.where import frame_of, is_half_way, line_in_thread, line_of_coroutine


class Broken(BaseException):
    """Raised inside a task function that holds its thread past its timeout."""


class CoroutineIsolation:
    """Calls on the running event loop."""

    def __init__(self) -> None:
        self._uses_breaker = False

    def start(self, call: Call, ended: Callable[[Outcome], None]) -> _Coroutine:
        if not self._uses_breaker:
            self._uses_breaker = _breaker.install()
        return _Coroutine(call, ended)

    def close(self) -> None:
        if self._uses_breaker and _breaker.remove():
            self._uses_breaker = False


class _Coroutine:
    """One coroutine as an asyncio task that never raises."""

    __slots__ = ("_call", "_ended", "_loop", "_over", "_task", "_thread")

    def __init__(self, call: Call, ended: Callable[[Outcome], None]) -> None:
        self._call = call
        self._ended = ended
        self._over = False
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
        self._over = True  # what is left is not the task function's, and must not be broken off
        self._ended(outcome)

    def give_up(self) -> None:
        self._task.cancel()
        # One that ignores its cancellation does not keep its place.
        self._loop.call_later(self._call.function.kill_grace, self._ended, Outcome(None))

    def where(self) -> str:
        if self.holds_its_loop:
            line = line_in_thread(self._thread)
            return f"it held the event loop at {line}" if line else "it held the event loop"
        line = line_of_coroutine(self._task.get_coro())
        return f"it was waiting at {line}" if line else ""

    @property
    def holds_its_loop(self) -> bool:
        """Whether the loop is in the task function at this instant."""
        return not self._over and asyncio.current_task(self._loop) is self._task

    def interrupt(self) -> None:
        _breaker.break_off(self, self._thread)


class _Breaker:
    """Raises ``Broken`` inside the one coroutine that holds its loop, and nowhere else.

    A loop in the main thread gets SIGURG, which nothing else uses and which is ignored by default:
    its handler also ends blocking system calls. Another thread gets an asynchronous exception.
    A process has one, for it has one handler of a signal, and any number of engines, which end in any order.
    """

    def __init__(self) -> None:
        self._hog: _Coroutine | None = None
        self._before: Any = None
        self._users = 0

    def install(self) -> bool:
        """Have the signal heard until ``remove``; whether it is, for only the main thread can see to that."""
        if threading.current_thread() is not threading.main_thread():
            return False
        if signal.getsignal(signal.SIGURG) != self._handle:
            self._before = signal.signal(signal.SIGURG, self._handle)
        self._users += 1
        return True

    def remove(self) -> bool:
        """Hear it no more, if nobody else needs it; whether that could be done here."""
        if threading.current_thread() is not threading.main_thread():
            return False
        self._users -= 1
        if not self._users and signal.getsignal(signal.SIGURG) == self._handle:
            signal.signal(signal.SIGURG, self._before or signal.SIG_DFL)
        return True

    def break_off(self, hog: _Coroutine, thread: int) -> None:
        if not hog.holds_its_loop:
            return
        if thread == threading.main_thread().ident and signal.getsignal(signal.SIGURG) == self._handle:
            self._hog = hog
            signal.pthread_kill(thread, signal.SIGURG)
        elif not is_half_way(frame_of(thread)):  # else at the watchdog's next look
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Broken))

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        hog, self._hog = self._hog, None
        if hog is not None and hog.holds_its_loop and not is_half_way(frame):  # else at the watchdog's next look
            raise Broken("The task function held the event loop past its timeout.")


_breaker = _Breaker()
