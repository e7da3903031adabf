"""What a task function may ask for: a parameter annotated ``Context`` gets one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from settled.runner.text import shown

in_task_process = False
"""Whether this process runs one task function and ends with it: what it submits is for others to run."""
HOOK = "SETTLED_TASK_HOOK"
"""The environment's name for what ``hook`` is in the processes of ``isolation="process"``: ``module:function``."""
hook: Callable[[Context], None] | None = None
"""Called with each attempt's context, in the attempt's own thread, just before the task function; tests set it."""
MESSAGE_LIMIT = 500
"""Characters of a progress message that are kept."""


def begun(context: Context) -> None:
    """Tell whoever wants to know that the task function is called next."""
    if hook is not None:
        hook(context)


def said(fraction: float | None, message: str) -> tuple[float | None, str]:
    """Progress as it can be stored and shown; raise ``ValueError`` or ``TypeError`` for what is no fraction."""
    if fraction is not None:
        if not hasattr(fraction, "__float__"):
            raise TypeError(
                f"progress({fraction!r}) says nothing: give a fraction from 0 to 1, or None when it is unknown; words "
                "come second."
            )
        if math.isnan(fraction):
            raise ValueError("progress(nan) says nothing: give a fraction from 0 to 1, or None when it is unknown.")
        fraction = min(1.0, max(0.0, float(fraction)))
    return fraction, shown(str(message), MESSAGE_LIMIT)


class Context:
    """The running attempt, as its task function sees it."""

    __slots__ = ("_cancelled", "_deadline", "_report", "attempt", "id", "max_attempts")

    def __init__(
        self,
        task_id: str,
        attempt: int,
        max_attempts: int,
        deadline: float,
        report: Callable[[float | None, str], None],
    ) -> None:
        """``deadline`` is on the clock of ``time.monotonic``."""
        self.id = task_id
        self.attempt = attempt
        self.max_attempts = max_attempts
        self._deadline = deadline
        self._report = report
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was given up on (cancelled, timed out, shut down): stop soon, nothing counts any more."""
        return self._cancelled

    @property
    def time_left(self) -> float:
        """Seconds until this attempt's timeout."""
        return max(0.0, self._deadline - time.monotonic())

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Tell whoever waits how far it is, from 0 to 1 (None: unknown), in a few words; cheap, may be called often."""
        self._report(*said(fraction, message))

    def _cancel(self) -> None:
        self._cancelled = True
