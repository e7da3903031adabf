"""When something of interest happens in a run, as far as it is known; between two of these a run may hurry."""

from __future__ import annotations

from bisect import bisect_left, insort

AFTER = 0.7
"""Seconds after a moment of interest in which nobody is slower than usual."""


class Moments:
    """When something of interest happens, as far as it is known."""

    def __init__(self) -> None:
        self._known: list[float] = []

    def add(self, when: float) -> None:
        """Something happens at this instant of the world."""
        insort(self._known, when)

    def lately(self, now: float) -> bool:
        """Whether something happened just now."""
        known = self._known
        place = bisect_left(known, now)
        return place > 0 and known[place - 1] > now - AFTER

    def pause(self, now: float, tick: float, longest: float) -> float:
        """For how long a loop that looks every ``tick`` seconds sleeps now."""
        known = self._known
        place = bisect_left(known, now)
        if place and known[place - 1] > now - AFTER:
            return tick
        if place == len(known):
            return longest
        return min(longest, max(tick, known[place] - now))
