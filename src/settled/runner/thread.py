"""Runs ``def`` task functions in threads of its own.

A thread cannot be killed. One that is given up on is left behind, with its place free for others;
if it is in Python code, an exception is raised in it so that it ends after all.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from settled.runner.base import Call
from settled.runner.context import begun
from settled.runner.coroutine import Broken
from settled.runner.outcome import Outcome, raised
from settled.runner.where import frame_of, is_half_way, line_in_thread

log = logging.getLogger("settled")
AGAIN = 0.1
"""Seconds after which one that could not be broken off is looked at again."""


class ThreadIsolation:
    """Calls in daemon threads, kept for reuse."""

    def __init__(self) -> None:
        self._idle: list[_Thread] = []
        self._closed = False

    def start(self, call: Call, ended: Callable[[Outcome], None]) -> _Threaded:
        thread = self._idle.pop() if self._idle else _Thread(self._back)
        return _Threaded(call, ended, thread)

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().end()

    def _back(self, thread: _Thread) -> None:
        if self._closed:
            thread.end()
        else:
            self._idle.append(thread)


class _Thread:
    """One thread that takes calls until it is ended or left behind."""

    def __init__(self, back: Callable[[_Thread], None]) -> None:
        self._jobs: SimpleQueue[_Threaded | None] = SimpleQueue()
        self._back = back
        self._guard = threading.Lock()
        self._left_behind = False
        self._busy_with: _Threaded | None = None
        self.thread = threading.Thread(target=self._run, name="settled-task", daemon=True)
        self.thread.start()

    def take(self, job: _Threaded) -> None:
        self._jobs.put(job)

    def end(self) -> None:
        self._jobs.put(None)

    def leave_behind(self, job: _Threaded) -> bool:
        """Break the job if it still runs; the thread is then of no more use. From any other thread.

        False if it must come out of something first, and has to be broken later.
        """
        with self._guard:
            if self._busy_with is not job or self.thread.ident is None or not self.thread.is_alive():
                return True
            self._left_behind = True
            if is_half_way(frame_of(self.thread.ident)):
                return False
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread.ident), ctypes.py_object(Broken))
            return True

    def _run(self) -> None:
        try:
            while not self._left_behind:
                job = self._jobs.get()
                if job is None:
                    return
                self._busy_with = job
                outcome = contextvars.Context().run(job.run)  # the next job must not see what this one sets
                with self._guard:
                    self._busy_with = None
                if not self._left_behind:
                    self._back(self)
                job.tell(outcome)
        except Broken:
            pass  # it was left behind, and the exception hit it outside of the task function
        finally:
            self._busy_with = None  # its number will be another thread's


class _Threaded:
    """One call in a thread."""

    def __init__(self, call: Call, ended: Callable[[Outcome], None], thread: _Thread) -> None:
        self._call = call
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._thread = thread
        self._told = False
        thread.take(self)

    def run(self) -> Outcome:
        call = self._call
        try:
            args, kwargs = call.arguments()
            begun(call.context)
            return call.finished(call.function.call(*args, **kwargs))
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: nobody above could handle them
            return raised(error)

    def tell(self, outcome: Outcome) -> None:
        try:
            self._loop.call_soon_threadsafe(self._finish, outcome)
        except RuntimeError:
            log.warning(
                "Task %s ended after its event loop was closed; its worker's end has settled it.", self._call.task_id
            )

    def give_up(self) -> None:
        self._break_off()
        self._loop.call_soon(self._finish, Outcome(None))

    def _break_off(self) -> None:
        if not self._thread.leave_behind(self):
            self._loop.call_later(AGAIN, self._break_off)

    def _finish(self, outcome: Outcome) -> None:
        if not self._told:
            self._told = True
            self._ended(outcome)

    def where(self) -> str:
        line = line_in_thread(self._thread.thread.ident)
        return f"it was at {line}" if line else ""

    def interrupt(self) -> None:
        self._thread.leave_behind(self)
