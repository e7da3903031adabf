"""A background thread that takes a step, waits as long as the step said, and never dies of an error."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from settled.errors import LedgerUnavailable

log = logging.getLogger("settled")
AFTER_AN_ERROR = 1.0
"""Seconds until the next step after one that failed."""
REPEAT_A_WARNING = 60.0
"""Seconds for which the trouble of a database that is away is not logged again."""


class Periodic:
    """Calls ``step()``, which returns the seconds until its next turn, until stopped."""

    def __init__(self, name: str, step: Callable[[], float], *, after_an_error: float = AFTER_AN_ERROR) -> None:
        self._step = step
        self._after_an_error = after_an_error
        self._wake = threading.Event()
        self._stopped = False
        self._silent_until = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first step is taken at once."""
        self._thread.start()

    def wake(self) -> None:
        """Take the next step now."""
        self._wake.set()

    def stop(self, patience: float = 5.0) -> None:
        """End after the present step, waiting at most ``patience`` seconds for it."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=patience)

    def _run(self) -> None:
        while not self._stopped:
            try:
                pause = self._step()
            except LedgerUnavailable as error:
                if time.monotonic() >= self._silent_until:
                    log.warning("%s: %s", self._thread.name, error)
                    self._silent_until = time.monotonic() + REPEAT_A_WARNING
                pause = self._after_an_error
            except Exception:
                log.exception("%s failed; it goes on", self._thread.name)
                pause = self._after_an_error
            self._wake.wait(timeout=pause)
            self._wake.clear()
