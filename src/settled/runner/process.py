"""Runs a task function in a process of its own, supervised from outside.

One fresh interpreter an attempt, in a process group of its own. The supervisor is a thread that
does nothing else: it starts the child, reads what it reports, watches its memory, and at the end
kills the whole group, so that nothing is left behind, and says how the child died.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from settled.errors import BadTaskFunction
from settled.runner import death
from settled.runner.base import Call
from settled.runner.outcome import Outcome
from settled.states import Reason

log = logging.getLogger("settled")
TICK_MS = 50
"""How often the child's memory and life are looked at, in milliseconds."""
REPORTED_GRACE = 0.25
"""Seconds for a child that has reported to leave by itself."""
_START = "import sys; sys.path[:] = {path!r}; from settled.runner.child import main; main{ends!r}"


class ProcessIsolation:
    """Calls in processes, one each."""

    def __init__(self, draining: Callable[[], bool]) -> None:
        self._draining = draining

    def start(self, call: Call, ended: Callable[[Outcome], None]) -> _Supervised:
        return _Supervised(call, ended, self._draining)

    def close(self) -> None:
        """Nothing is kept between calls."""


class _Supervised:
    """One child and the thread that supervises it."""

    def __init__(self, call: Call, ended: Callable[[Outcome], None], draining: Callable[[], bool]) -> None:
        self._draining = draining
        self._call = call
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._given_up = threading.Event()
        self._pid = 0
        threading.Thread(target=self._supervise, name="settled-supervisor", daemon=True).start()

    def give_up(self) -> None:
        self._given_up.set()

    def where(self) -> str:
        return "it was running in a process of its own" if self._pid else "its process was starting"

    def interrupt(self) -> None:
        """Its supervisor has a thread of its own, which nothing blocks."""

    def _supervise(self) -> None:
        try:
            outcome = self._outcome()
        except Exception as error:  # e.g. no process can be started: out of memory, of descriptors
            log.exception("Task %s could not be run in a process", self._call.task_id)
            outcome = Outcome(Reason.WORKER_LOST, message=f"No process could be started or supervised for it: {error}")
        try:
            self._loop.call_soon_threadsafe(self._ended, outcome)
        except RuntimeError:
            pass  # the loop is closed; the worker's end has settled the task

    def _outcome(self) -> Outcome:
        function = self._call.function
        evidence = death.Evidence(function.memory_limit)
        with ExitStack() as ours:
            # The job is not a pipe: writing it can never block.
            with ExitStack() as childs, tempfile.TemporaryFile() as job:
                report, lifeline = _pipe(ours, childs), _pipe(childs, ours)
                job.write(json.dumps(job_of(self._call)).encode())
                job.seek(0)
                child_ends = (job.fileno(), report[1], lifeline[0])
                code = _START.format(path=sys.path, ends=child_ends)
                child = subprocess.Popen(
                    [sys.executable, "-c", code], pass_fds=child_ends, start_new_session=True, stdin=subprocess.DEVNULL
                )
            self._pid = child.pid
            reader = _Reader(report[0], self._call.context.progress)
            try:
                self._watch(child, reader, evidence)
            finally:
                status = self._end(child)
        evidence.peak = max(evidence.peak, reader.peak)
        outcome = evidence.judge(reader.outcome, status)
        if reader.outcome is None and status == -signal.SIGTERM and self._draining():
            # A service manager that stops the worker tells all its processes at once.
            return outcome._replace(reason=Reason.INTERRUPTED)
        return outcome

    def _end(self, child: subprocess.Popen[bytes]) -> int:
        given_up = self._given_up.is_set()
        return _end_group(child, self._call.function.kill_grace if given_up else REPORTED_GRACE, ask=given_up)

    def _watch(self, child: subprocess.Popen[bytes], reader: _Reader, evidence: death.Evidence) -> None:
        """Return when the outcome is there, the child is dead, over its memory limit, or given up on."""
        poll = select.poll()
        poll.register(reader.descriptor, select.POLLIN)
        while not self._given_up.is_set():
            exited = child.poll() is not None
            if poll.poll(0 if exited else TICK_MS) and not reader.read():
                return
            if reader.outcome is not None or exited:
                return
            if evidence.over_the_limit(child.pid):
                return


class _Reader:
    """The child's report, line by line."""

    def __init__(self, descriptor: int, progress: Callable[[float | None, str], None]) -> None:
        self.descriptor = descriptor
        self.outcome: Outcome | None = None
        self.peak = 0
        self._progress = progress
        self._buffer = b""

    def read(self) -> bool:
        """Take in what is there; False at the end."""
        data = os.read(self.descriptor, 1 << 20)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            kind, value = json.loads(line)
            if kind == "progress":
                self._progress(*value)
            elif kind == "peak":
                self.peak = value
            else:
                reason, *rest = value
                self.outcome = Outcome(None if reason is None else Reason(reason), *rest)
        return bool(data)


def job_of(call: Call) -> dict[str, Any]:
    """What the child needs to find the function and call it."""
    function, context = call.function, call.context
    main = sys.modules["__main__"]
    module, main_path = function.call.__module__, getattr(main, "__file__", None)
    if module == "__main__" and main.__spec__ is not None:  # started with -m: it has a name to import it by
        module = main.__spec__.name
    return {
        "module": module,
        "qualname": function.call.__qualname__,
        "main_path": main_path,
        "sys_path": sys.path,
        "id": call.task_id,
        "attempt": context.attempt,
        "max_attempts": context.max_attempts,
        "timeout": context.time_left,
        "args": call.args,
        "kwargs": call.kwargs,
        "context_parameter": function.context_parameter,
        "context_position": function.context_position,
        "memory_limit": function.memory_limit,
        "max_result_bytes": function.max_result_bytes,
        "items": len(call.args[0]) if function.group else None,
    }


def check(function: Callable[..., Any]) -> None:
    """Raise ``BadTaskFunction`` for what a new process cannot find by importing."""
    path = getattr(function, "__qualname__", None)
    if path is None:
        raise BadTaskFunction(
            f"{function!r} cannot run with isolation='process': a new process finds a function by importing its "
            "module, and this one is no function of a module. Wrap it in a def at the top of a module."
        )
    if "<locals>" in path or "<lambda>" in path:
        raise BadTaskFunction(
            f"{path} cannot run with isolation='process': a new process finds a function by "
            "importing its module, and this one is made inside another function. Define it at the top of a module."
        )
    if function.__module__ == "__main__" and not getattr(sys.modules["__main__"], "__file__", None):
        raise BadTaskFunction(
            f"{function.__qualname__} cannot run with isolation='process' from an interactive session: "
            "a new process has no file to import it from. Put it into a module."
        )


def _end_group(child: subprocess.Popen[bytes], grace: float, *, ask: bool) -> int:
    """Let the child leave within ``grace`` seconds (``ask``: after a TERM), then KILL its group; return its status."""
    if ask and child.poll() is None:
        _kill_group(child.pid, signal.SIGTERM)
    try:
        child.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        pass
    # The guard is of this group and outlives the child, so its number cannot have been given away.
    _kill_group(child.pid, signal.SIGKILL)
    try:
        return child.wait(timeout=10)
    except subprocess.TimeoutExpired:  # in an uninterruptible system call
        return -signal.SIGKILL


def _pipe(reads: ExitStack, writes: ExitStack) -> tuple[int, int]:
    """A pipe, each end of which is closed with the one who has it."""
    ends = os.pipe()
    reads.callback(os.close, ends[0])
    writes.callback(os.close, ends[1])
    return ends


def _kill_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # all gone; macOS says EPERM for a group of zombies
