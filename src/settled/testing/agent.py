"""Inside the processes that run the task: stops at the fault's point, tells the stage, and does as it is told.

``settled.runner.context.hook`` calls ``arm`` in each attempt's own thread. The point is found by a trace and a
profile function (``sys.settrace``), so a debugger or a coverage tool cannot see into the task in these processes.
"""

from __future__ import annotations

import dis
import json
import os
import pkgutil
import socket
import sys
from types import FrameType
from typing import Any

from settled.runner.context import Context
from settled.testing.faults import Order
from settled.testing.play import played
from settled.testing.spots import Spot

HOOK = "settled.testing.agent:arm"
ANSWERED_WITHIN = 60.0
HANGS_FOR = 86_400.0
"""Seconds; the stage ends a process that hangs long before."""


def tell(event: str, **more: Any) -> Order:
    """Tell the stage what happened here, and return its order; to go on, if it is not there any more."""
    play = played()
    if play is None:
        return Order("go")
    try:
        with socket.create_connection(("127.0.0.1", play.port), timeout=ANSWERED_WITHIN) as line:
            line.sendall(json.dumps({"token": play.token, "event": event, "pid": os.getpid(), **more}).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer = answers.readline()
                order = Order(*json.loads(answer)) if answer else Order("go")
                if order.do == "hang":
                    line.settimeout(HANGS_FOR)
                    answers.readline()
    except OSError:
        return Order("go")
    return order


def arm(context: Context) -> None:
    """Watch for the point in what this thread calls next."""
    play = played()
    if play is None or play.spot is None:
        return
    tell("begun", id=context.id, attempt=context.attempt)
    watch = _Watch(play.spot, context)
    sys.setprofile(watch.leave)
    sys.settrace(watch.enter)


class _Watch:
    """One attempt's trace and profile functions: lines are traced, and the end is profiled.

    Python stops to trace a thread where the trace function raises, as it is ordered to, or because the attempt is given
    up on meanwhile. The end of the function is seen all the same.
    """

    def __init__(self, spot: Spot, context: Context) -> None:
        self._spot = spot
        self._about = {"id": context.id, "attempt": context.attempt}
        self._frame: FrameType | None = None
        self._struck = False
        self._unwinding = False

    def enter(self, frame: FrameType, event: str, arg: object) -> Any:
        """For every call in the thread: follow the task function, and nothing else."""
        code = frame.f_code
        if code.co_qualname != self._spot.function or code.co_filename != self._spot.file:
            return None
        if self._frame is None:
            self._frame = frame
        return self.follow if frame is self._frame else None

    def follow(self, frame: FrameType, event: str, arg: object) -> Any:
        """For every line and exception of it."""
        if event == "line":
            self._unwinding = False
            if frame.f_lineno == self._spot.line:
                self._strike()
        elif event == "exception":
            self._unwinding = True
        return self.follow

    def leave(self, frame: FrameType, event: str, arg: object) -> None:
        """For every return in the thread; a coroutine returns to its loop many times before it ends."""
        if event != "return" or frame is not self._frame:
            return
        opcode = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        returns = opcode.startswith("RETURN")
        raises = arg is None and (self._unwinding or not opcode.startswith("YIELD"))
        if returns or raises:
            sys.setprofile(None)
            try:
                if returns and self._spot.line is None:
                    self._strike()
            finally:
                tell("ended", **self._about)

    def _strike(self) -> None:
        if not self._struck:
            self._struck = True
            _obey(tell("here", **self._about))


def _obey(order: Order) -> None:
    if order.do == "raise":
        kind = pkgutil.resolve_name(order.what)
        raise kind("Raised here by the stage.")
    if order.do == "exit":
        os._exit(int(order.what))
    if order.do == "hoard":
        hoard = []
        while True:  # until the limit is hit, or whoever watches it comes
            hoard.append(b"x" * (int(order.what) // 50))
