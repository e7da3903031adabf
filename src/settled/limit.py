"""How many tasks of a lane run at once, and how often one starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from settled.errors import BadArguments, BadPolicy

MOST_AT_ONCE = 1_000_000
MOST_A_SECOND = 10_000.0
LEAST_A_SECOND = 1 / (31 * 86_400)
LONGEST_KEY = 500
"""Characters of a key; it is kept with each task."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``@tasks.task(limit=Limit(concurrency=2, per_second=1, key=host_of))``: over all processes and machines.

    concurrency  how many attempts run at once
    per_second   how often one starts; 0.1 is once in ten seconds
    key          called with the arguments of each call at its submit, returns a text: each text has a lane of its own,
                 with these limits. None is no limit for this call. Without it all calls of the function share one lane

    Counted are attempts that run, wherever that is; one that finds its lane full waits, and ``start_timeout`` goes on.
    """

    concurrency: int | None = None
    per_second: float | None = None
    key: Callable[..., str | None] | None = None

    def __post_init__(self) -> None:
        if self.concurrency is None and self.per_second is None:
            raise BadPolicy("A Limit without concurrency= and per_second= limits nothing: give one of them, or both.")
        number, rate = self.concurrency, self.per_second
        if number is not None and (
            isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_AT_ONCE
        ):
            raise BadPolicy(f"concurrency={number!r} is not possible: give a whole number from 1 to {MOST_AT_ONCE:,}.")
        if rate is not None and (
            isinstance(rate, bool) or not isinstance(rate, (int, float)) or not LEAST_A_SECOND <= rate <= MOST_A_SECOND
        ):
            raise BadPolicy(
                f"per_second={rate!r} is not possible: give a number up to {MOST_A_SECOND:,.0f}; one a minute is "
                "1/60, and one a month the least."
            )
        if self.key is not None and not callable(self.key):
            raise BadPolicy(f"key={self.key!r} cannot be called: give a function of the call's arguments.")

    @property
    def gap_us(self) -> int | None:
        """Microseconds between two starts."""
        return None if self.per_second is None else max(1, round(1_000_000 / self.per_second))

    def lane(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """The lane of a call of the function ``name``; raise ``BadArguments`` if ``key`` does, or returns no text."""
        if self.key is None:
            return name
        try:
            key = self.key(*args, **kwargs)
        except Exception as error:
            raise BadArguments(
                f"The key of the limit of {name} raised {type(error).__name__}: {error}. Nothing was submitted."
            ) from error
        if key is None:
            return None
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or "\0" in key or not key.isprintable():
            raise BadArguments(
                f"The key of the limit of {name} is {ascii(key)[:60]}: it must be a printable text of 1 to "
                f"{LONGEST_KEY} characters, or None. Nothing was submitted."
            )
        return f"{name}[{key}]"
