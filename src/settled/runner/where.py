"""Says in words at which line a piece of work is."""

from __future__ import annotations

import gc
import logging
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_OWN = os.path.dirname(__file__) + os.sep
_LOGGING = os.path.dirname(logging.__file__) + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep


class _Look:
    """One look at a time, in a process that may be forked in the middle."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.collects = False
        """Whether garbage is to be collected again afterwards."""

    def end(self) -> None:
        if self.collects:
            self.collects = False
            gc.enable()

    def end_in_child(self) -> None:
        """The thread that looked is not in the child."""
        self.guard = threading.Lock()
        self.end()


_look = _Look()
os.register_at_fork(after_in_child=_look.end_in_child)


def line_in_thread(ident: int | None) -> str:
    """``"app.py:12 in scrape"`` for a running thread; empty when it cannot be told."""
    frame = _frame_of(ident or 0)
    while frame is not None:
        if said := _line(frame):
            return said
        frame = frame.f_back
    return ""


def is_logging(ident: int) -> bool:
    """Whether a thread is in the standard library's ``logging`` at this instant, where it must not be broken off.

    What is raised in a thread that waits for a lock comes when it has the lock. ``logging`` takes its own outside of
    the ``try`` that lets them go, so they would be held for good, and everybody who logs would wait for ever.
    """
    frame = _frame_of(ident)
    return frame is not None and frame.f_code.co_filename.startswith(_LOGGING)


def line_of_coroutine(coroutine: Any) -> str:
    """The same for a suspended coroutine: the innermost line that awaits."""
    lines = [said for frame in _awaiting(coroutine) if (said := _line(frame))]
    return lines[-1] if lines else ""


def _frame_of(ident: int) -> FrameType | None:
    """The frame at which a thread is, found without collecting garbage.

    Python 3.11 makes frame objects with a lock held that some finalizers need too (that of a ``threading.local``), so
    a collection in the middle hangs the whole process for good: https://github.com/python/cpython/issues/106883.
    """
    with _look.guard:  # else the one would switch the collector on while the other looks
        _look.collects = gc.isenabled()
        try:
            gc.disable()
            return sys._current_frames().get(ident)
        finally:
            _look.end()


def _awaiting(coroutine: Any) -> Iterator[FrameType]:
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            yield frame
        coroutine = getattr(coroutine, "cr_await", None)


def _line(frame: FrameType) -> str:
    """A frame in words; empty for ours and the standard library's, which tell a user nothing."""
    path = frame.f_code.co_filename
    ours = path.startswith(("<", _OWN))
    if ours or (path.startswith(_STDLIB) and "site-packages" not in path):
        return ""
    return f"{os.path.basename(path)}:{frame.f_lineno} in {frame.f_code.co_name}"
