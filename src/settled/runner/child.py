"""The inside of the process isolation: one fresh process runs one call and reports as JSON lines.

Started as ``python -c`` with three descriptors: the job (JSON, read once), the report (JSON lines,
written) and the lifeline, whose other end the supervisor holds. No pickle crosses any of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import json
import os
import pkgutil
import resource
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from settled.descriptors import readable
from settled.runner import context
from settled.runner.base import placed
from settled.runner.context import Context
from settled.runner.outcome import Outcome, completed, completed_each, raised

AGAIN = 0.2
"""Seconds for a supervisor that was silent for all of the patience, as after a pause of the whole machine."""


def main(job_fd: int, report_fd: int, lifeline_fd: int, patience: float, over_at: float) -> None:
    """Run the job and leave; never returns.

    ``patience``: seconds for which the supervisor may say nothing. ``over_at``: when it has ended all this, at the
    latest, on the clock of ``time.monotonic``, which the processes of a machine share.
    """
    _guard(lifeline_fd, patience, over_at, keep_closed=(job_fd, report_fd))
    with os.fdopen(job_fd, encoding="utf-8") as file:
        job = json.load(file)
    sys.path[:] = job["sys_path"]
    context.in_task_process = True
    if named := os.environ.get(context.HOOK):
        context.hook = pkgutil.resolve_name(named)
    report = _Report(report_fd)
    outcome = _run(job, report)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    report.send("peak", _peak_bytes())
    if outcome is None:  # told to end, and it did: the supervisor knows why it was told
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    report.send("outcome", list(outcome or ()))
    os._exit(0)  # threads that the function left behind must not keep the process


def _run(job: dict[str, Any], report: _Report) -> Outcome | None:
    mine = Context(
        job["id"],
        job["attempt"],
        job["max_attempts"],
        time.monotonic() + job["timeout"],
        lambda *progress: report.send("progress", progress),
    )

    def terminated(signum: int, frame: object) -> None:
        mine._cancel()
        raise SystemExit(128 + signum)

    try:
        signal.signal(signal.SIGTERM, terminated)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        call = _find(job)
        args, kwargs = placed(job["args"], job["kwargs"], mine, job["context_parameter"], job["context_position"])
        if job["memory_limit"]:
            _limit_memory(job["memory_limit"])
        context.begun(mine)
        value = call(*args, **kwargs)
        if inspect.isawaitable(value):
            value = asyncio.run(_await(value))
        if job["items"] is not None:
            return completed_each(value, job["items"], job["max_result_bytes"])
        return completed(value, job["max_result_bytes"])
    except BaseException as error:
        told = issubclass(type(error), SystemExit) and mine.cancelled  # its class, for it may lie about itself
        return None if told else raised(error)


async def _await(value: Any) -> Any:
    return await value


def _find(job: dict[str, Any]) -> Callable[..., Any]:
    """Import the task function anew; a script's own module is run under another name, as multiprocessing does."""
    if job["module"] == "__main__":
        found: Any = runpy.run_path(job["main_path"], run_name="__settled__")
        first, *rest = job["qualname"].split(".")
        found = found[first]
    else:
        found = importlib.import_module(job["module"])
        rest = job["qualname"].split(".")
    for name in rest:
        found = getattr(found, name)
    function: Callable[..., Any] = getattr(found, "function", found)  # the decorated name holds a TaskFunction
    return function


def _limit_memory(limit: int) -> None:
    # RLIMIT_DATA counts what is really allocated; RLIMIT_AS would also count what is only reserved.
    # macOS refuses or ignores it; there the supervisor's look at the resident size is all there is.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _guard(lifeline_fd: int, patience: float, over_at: float, keep_closed: tuple[int, ...]) -> None:
    """Fork a watcher that kills this whole process group when the supervisor is gone, or silent: frozen, for one.

    And when the time is over, whatever it says.

    A process of its own, since a function that never lets go of the interpreter lock would
    silence a thread, and a signal on the parent's death would spare the grandchildren.
    """
    if os.fork() != 0:
        os.close(lifeline_fd)
        return
    for descriptor in (0, 1, 2, *keep_closed):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while (left := over_at - time.monotonic()) > 0:
        heard = readable([lifeline_fd], min(patience, left)) or readable(
            [lifeline_fd], AGAIN
        )  # all may have stood still
        if not heard or not os.read(lifeline_fd, 4096):
            break
    os.killpg(0, signal.SIGKILL)


def _peak_bytes() -> int:
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Report:
    """Writes JSON lines to the supervisor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._guard = threading.Lock()  # the function may report progress from several threads

    def send(self, kind: str, value: Any) -> None:
        line = json.dumps([kind, value]).encode() + b"\n"
        view = memoryview(line)
        with self._guard, contextlib.suppress(BrokenPipeError):
            while view:
                view = view[os.write(self._descriptor, view) :]
