"""A task function's limits, and the arithmetic that turns them into ``settles_at``."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import timedelta

from settled.errors import BadPolicy

MAX_SECONDS = 366 * 86_400.0
MAX_ATTEMPTS = 100
MAX_BACKOFF = 3_600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a task may wait and run, and how often it is tried. All times in seconds.

    timeout        one attempt's time to run
    start_timeout  the time that it may spend waiting to be picked up, over all attempts
    attempts       how often it is tried, in all
    backoff        the pause before the second attempt; doubled before each further one, 1 h at most
    lease          how long its worker is believed alive without being heard
    """

    timeout: float = 600.0
    start_timeout: float = 600.0
    attempts: int = 1
    backoff: float = 1.0
    lease: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name))

    @property
    def settles_within(self) -> float:
        """The seconds after its creation by which a task of this policy is settled, come what may."""
        return (ms(self.start_timeout) + self.reserve_ms(0)) / 1000

    def reserve_ms(self, attempt: int) -> int:
        """The milliseconds to keep for what may follow ``attempt``: the further attempts and the pauses between."""
        return reserve_ms(attempt, self.attempts, ms(self.timeout), ms(self.lease), ms(self.backoff))


def ms(seconds: float) -> int:
    """Seconds as whole milliseconds, at least one."""
    return max(1, round(seconds * 1000))


def pause_ms(attempt: int, backoff_ms: int) -> int:
    """The pause after a failed ``attempt`` (counted from 1), in milliseconds: doubling, with a cap."""
    return int(min(backoff_ms * 2 ** (attempt - 1), MAX_BACKOFF * 1000))


def reserve_ms(attempt: int, attempts: int, timeout_ms: int, lease_ms: int, backoff_ms: int) -> int:
    """What must be left until ``settles_at`` when attempt number ``attempt + 1`` starts at the latest."""
    left = attempts - attempt
    pauses = sum(pause_ms(n, backoff_ms) for n in range(attempt + 1, attempts))
    return left * (timeout_ms + lease_ms) + pauses


def _check(name: str, value: object) -> None:
    if name == "attempts":
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ATTEMPTS:
            raise BadPolicy(
                f"attempts={value!r} is not possible: a task is tried 1 to {MAX_ATTEMPTS} times, a whole number. "
                "Use attempts=1 for a task that must not be repeated."
            )
        return
    least = 0.0 if name == "backoff" else 0.001
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -math.inf < value < math.inf:
        raise BadPolicy(
            f"{name}={value!r} is not possible: it must be a finite number of seconds, so that the task has an end"
            f"{'. Of a timedelta give total_seconds()' if isinstance(value, timedelta) else ''}."
        )
    if not least <= value <= MAX_SECONDS:
        raise BadPolicy(f"{name}={value!r} is out of range: give seconds from {least} to {MAX_SECONDS:.0f} (a year).")
