"""What a latest function is told about its values: for how long they are fresh, and when to try again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from settled.errors import BadPolicy
from settled.function import checked_number
from settled.policy import MAX_SECONDS
from settled.records import LatestPolicy

Seconds = float | timedelta
MOST_HISTORY = 100_000
MOST_RETRY = 366 * 86_400.0
"""The database refuses a longer pause after a failure."""


@dataclass(frozen=True, slots=True)
class Options:
    """Times in milliseconds, checked."""

    policy: LatestPolicy
    stale_ms: int | None
    """For how long beyond its freshness a value is still served while its refreshes fail; None: for ever."""


def options_of(
    fresh_for: Seconds, retry_after: Seconds, retry_cap: Seconds | None, stale_for: Seconds | None,
    max_age: Seconds | None, history: int,
) -> Options:  # fmt: skip
    """Check them; raise ``BadPolicy`` for what makes no sense."""
    fresh = _ms("fresh_for", fresh_for, 0, 100 * MAX_SECONDS)
    retry = _ms("retry_after", retry_after, 0.001, MOST_RETRY)
    day = max(86_400_000, retry)
    cap = day if retry_cap is None else _ms("retry_cap", retry_cap, 0.001, MOST_RETRY)
    if cap < retry:
        raise BadPolicy(
            f"retry_cap={retry_cap!r} is shorter than retry_after={retry_after!r}. Leave it out, or raise it."
        )
    stale = None if stale_for is None else _ms("stale_for", stale_for, 0, 100 * MAX_SECONDS)
    keep = None if max_age is None else _ms("max_age", max_age, 0.001, 100 * MAX_SECONDS)
    if keep is not None and keep <= max(fresh, cap):
        raise BadPolicy(
            f"max_age={max_age!r} forgets keys that are in use: they are refreshed only after fresh_for, and after a "
            "failure in retry_cap. Give more than both."
        )
    checked_number("history", history, 0, MOST_HISTORY, whole=True)
    return Options(LatestPolicy(fresh, retry, cap, keep, history), stale)


def _ms(name: str, given: Seconds, least: float, most: float) -> int:
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    checked_number(name, seconds, least, most)
    return round(seconds * 1000)
