"""Where time comes from: an argument everywhere, so that tests can move it.

A ledger's clock must be the same for every process of the machine and must not follow the system
clock when that is set. ``CLOCK_BOOTTIME`` (Linux) and ``CLOCK_MONOTONIC`` (macOS) are such clocks:
shared by all processes, growing also while the machine sleeps, starting anew only at a boot.
"""

from __future__ import annotations

import subprocess
import sys
import time
from functools import cache
from typing import Protocol


class Clock(Protocol):
    """A steady count of milliseconds, the wall clock to anchor it once, and the name of the boot that it belongs to."""

    def steady_ms(self) -> int:
        """Milliseconds since some fixed instant of this boot; never stepped, never backwards."""

    def wall_ms(self) -> int:
        """Milliseconds since the Unix epoch as the system believes them now; may jump."""

    def boot(self) -> str:
        """A text that stays the same until the machine boots again."""


class SystemClock:
    """The machine's own clocks."""

    _source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def steady_ms(self) -> int:
        return time.clock_gettime_ns(self._source) // 1_000_000

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def boot(self) -> str:
        return _boot_id()


class ManualClock:
    """A clock that stands still until it is moved; for tests and simulations."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._wall = now_ms
        self._steady = 0
        self._boot = "manual-1"

    def steady_ms(self) -> int:
        return self._steady

    def wall_ms(self) -> int:
        return self._wall

    def boot(self) -> str:
        return self._boot

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        step = round(seconds * 1000)
        self._steady += step
        self._wall += step

    def set_wall(self, now_ms: int) -> None:
        """Set the system clock, as an administrator or a faulty NTP server would."""
        self._wall = now_ms

    def reboot(self) -> None:
        """Start counting anew, as after a boot of the machine."""
        self._steady = 0
        self._boot = f"manual-{int(self._boot.rsplit('-', 1)[1]) + 1}"


@cache
def _boot_id() -> str:
    if sys.platform == "darwin":
        answer = subprocess.run(
            ["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, timeout=5, check=False
        )
        return answer.stdout.strip() or "unknown"
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"
