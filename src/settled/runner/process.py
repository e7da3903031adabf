"""Runs a task function in a process of its own, supervised from outside.

One fresh interpreter an attempt, in a process group of its own. The supervisor is a thread that
does nothing else: it starts the child, reads what it reports, watches its memory, and at the end
kills the whole group, so that nothing is left behind, and says how the child died. It needs no
event loop for that, which a task may hold: past the attempt's timeout it ends the child by itself.

In the group a guard listens to it, and kills the group when it has gone or is silent, and when the
time is over in any case: a worker that is frozen, or held in a C call, can end nothing, and others
begin the task anew at its deadline, or when the worker's lease is over.
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
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from settled.errors import BadTaskFunction
from settled.runner import death
from settled.runner.base import Call
from settled.runner.outcome import Outcome
from settled.states import Reason

log = logging.getLogger("settled")
TICK_MS = 50
"""How often the child's memory and life are looked at, in milliseconds."""
SILENT = 0.75
"""Of a lease: for how long the supervisor may be silent. The last heartbeat may have been a sixth of one before."""
SPEAK = 0.05
"""Of a lease: how often it speaks."""
OVERTIME = 0.15
"""Seconds past the timeout after which a supervisor has waited long enough for the event loop to say so."""
STARTED = 1.0
"""Seconds beyond its grace that a process takes at most to end, one that was just being started too."""
REPORTED_GRACE = 0.25
"""Seconds for a child that has reported to leave by itself."""
_START = "import sys; sys.path[:] = {path!r}; from settled.runner.child import main; main{ends!r}"


_lifelines: set[int] = set()
"""The ends that this process holds, by descriptor."""


def _after_fork() -> None:
    """A child that a task has forked must not keep alive what its parent's death is to end."""
    while _lifelines:
        os.close(_lifelines.pop())


os.register_at_fork(after_in_child=_after_fork)


class ProcessIsolation:
    """Calls in processes, one each."""

    def __init__(self, draining: Callable[[], bool], lease: float) -> None:
        """``lease``: seconds after which others may take a silent worker's tasks."""
        self._draining = draining
        self._lease = lease
        self._begun: list[_Supervised] = []

    def start(self, call: Call, ended: Callable[[Outcome], None]) -> _Supervised:
        begun = _Supervised(call, ended, self._draining, self._lease)
        self._begun = [*(other for other in self._begun if other.alive), begun]
        return begun

    def close(self) -> None:
        """End every process that is left; from any thread."""
        left = [begun for begun in self._begun if begun.alive]
        for begun in left:
            begun.give_up()
        for begun in left:
            begun.wait()


class _Supervised:
    """One child and the thread that supervises it."""

    def __init__(
        self, call: Call, ended: Callable[[Outcome], None], draining: Callable[[], bool], lease: float
    ) -> None:
        self._draining = draining
        self._lease = lease
        self._call = call
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._given_up = threading.Event()
        self._over_at = time.monotonic() + call.context.time_left + OVERTIME
        self._overtime = False
        self._pid = 0
        self._thread = threading.Thread(target=self._supervise, name="settled-supervisor", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its process may be."""
        return self._thread.is_alive()

    def wait(self) -> None:
        """Wait in a thread until its process has ended, which was given up on."""
        self._thread.join(timeout=self._call.function.kill_grace + STARTED)

    def give_up(self) -> None:
        self._given_up.set()

    def where(self) -> str:
        return "it was running in a process of its own" if self._pid else "its process was starting"

    def interrupt(self) -> None:
        self._given_up.set()

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
                _lifelines.add(lifeline[1])
                ours.callback(_lifelines.discard, lifeline[1])  # before it is closed, for its number may be given away
                job.write(json.dumps(job_of(self._call)).encode())
                job.seek(0)
                child_ends = (job.fileno(), report[1], lifeline[0])
                patience = SILENT * self._lease, self._over_at + function.kill_grace
                code = _START.format(path=sys.path, ends=(*child_ends, *patience))
                child = subprocess.Popen(
                    [sys.executable, "-c", code], pass_fds=child_ends, start_new_session=True, stdin=subprocess.DEVNULL
                )
            self._pid = child.pid
            reader = _Reader(report[0], self._call.context.progress)
            speaker = _Speaker(lifeline[1], self._lease)
            try:
                self._watch(child, reader, speaker, evidence)
            finally:
                status = self._end(child, speaker)
        evidence.peak = max(evidence.peak, reader.peak)
        if reader.outcome is None and self._overtime:
            return Outcome(Reason.TIMEOUT)
        outcome = evidence.judge(reader.outcome, status)
        if reader.outcome is None and status == -signal.SIGTERM and self._draining():
            # A service manager that stops the worker tells all its processes at once.
            return outcome._replace(reason=Reason.INTERRUPTED)
        if reader.outcome is None and status == -signal.SIGKILL and speaker.silent > SILENT * self._lease:
            return outcome._replace(
                message=f"The worker stood still for {speaker.silent:.1f} s (frozen, swapped out, or in a C call that "
                "keeps the interpreter lock), so the task's process was ended before another worker might begin."
            )
        return outcome

    def _end(self, child: subprocess.Popen[bytes], speaker: _Speaker) -> int:
        given_up = self._given_up.is_set()
        grace = self._call.function.kill_grace if given_up else REPORTED_GRACE
        return _end_group(child, grace, speaker, ask=given_up)

    def _watch(
        self, child: subprocess.Popen[bytes], reader: _Reader, speaker: _Speaker, evidence: death.Evidence
    ) -> None:
        """Return when the outcome is there, the child is dead, over its memory limit, or given up on."""
        poll = select.poll()
        poll.register(reader.descriptor, select.POLLIN)
        while not self._given_up.is_set():
            speaker.speak()
            if time.monotonic() >= self._over_at:
                self._overtime = True
                self._given_up.set()
                return
            exited = child.poll() is not None
            if poll.poll(0 if exited else TICK_MS) and not reader.read():
                return
            if reader.outcome is not None or exited:
                return
            if evidence.over_the_limit(child.pid):
                return


class _Speaker:
    """Tells the guard of a child, now and then, that its supervisor does not stand still."""

    def __init__(self, descriptor: int, lease: float) -> None:
        os.set_blocking(descriptor, False)
        self.pause = SPEAK * lease
        self.silent = 0.0
        """The longest silence so far, in seconds."""
        self._descriptor = descriptor
        self._spoke = time.monotonic()

    def speak(self) -> None:
        """Say so, if it is time."""
        silent = time.monotonic() - self._spoke
        self.silent = max(self.silent, silent)
        if silent >= self.pause:
            self._spoke += silent
            try:
                os.write(self._descriptor, b".")
            except OSError:
                pass  # full: the guard stands still, and will find enough to read; closed: it is dead


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


def _end_group(child: subprocess.Popen[bytes], grace: float, speaker: _Speaker, *, ask: bool) -> int:
    """Let the child leave within ``grace`` seconds (``ask``: after a TERM), then KILL its group; return its status."""
    if ask and child.poll() is None:
        _kill_group(child.pid, signal.SIGTERM)
    until = time.monotonic() + grace
    speaker.speak()
    while child.poll() is None and (left := until - time.monotonic()) > 0:
        speaker.speak()
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=min(left, speaker.pause))
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
