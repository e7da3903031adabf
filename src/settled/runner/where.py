"""Says in words at which line a piece of work is."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from types import FrameType
from typing import Any

_OWN = os.path.dirname(__file__) + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep


def line_in_thread(ident: int | None) -> str:
    """``"app.py:12 in scrape"`` for a running thread; empty when it cannot be told."""
    frame = sys._current_frames().get(ident or 0)
    while frame is not None:
        if said := _line(frame):
            return said
        frame = frame.f_back
    return ""


def line_of_coroutine(coroutine: Any) -> str:
    """The same for a suspended coroutine: the innermost line that awaits."""
    lines = [said for frame in _awaiting(coroutine) if (said := _line(frame))]
    return lines[-1] if lines else ""


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
