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
_SETTLED = os.path.dirname(os.path.dirname(__file__)) + os.sep
_SUBMITTING = tuple(_SETTLED + name for name in ("engines" + os.sep, "ledger", "writer.py"))
"""Between the place that a submit takes here and the row that it queues."""


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
    frame = frame_of(ident or 0)
    while frame is not None:
        if said := _line(frame):
            return said
        frame = frame.f_back
    return ""


def is_half_way(frame: FrameType | None) -> bool:
    """Whether a thread is, at this frame, in the midst of what others need to be done to its end.

    In the standard library's ``logging``: what is raised in a thread that waits for a lock comes when it has the lock,
    which ``logging`` takes outside of the ``try`` that lets it go; everybody who logs would wait for ever. And within
    a submit: its place here would be taken for good.
    """
    if frame is not None and frame.f_code.co_filename.startswith(_LOGGING):
        return True
    while frame is not None and _is_known(frame.f_code.co_filename):
        if frame.f_code.co_filename.startswith(_SUBMITTING):
            return True
        frame = frame.f_back
    return False


def _is_known(path: str) -> bool:
    """Whether this is the standard library's or settled's own code, and nobody's who uses it."""
    return path.startswith(("<", _SETTLED)) or (path.startswith(_STDLIB) and "site-packages" not in path)


def line_of_coroutine(coroutine: Any) -> str:
    """The same for a suspended coroutine: the innermost line that awaits."""
    lines = [said for frame in _awaiting(coroutine) if (said := _line(frame))]
    return lines[-1] if lines else ""


def frame_of(ident: int) -> FrameType | None:
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
