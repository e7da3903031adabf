"""How many attempts may run at once in this process, for each isolation: each takes a place before it is claimed."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Places:
    """Free places; from any thread."""

    def __init__(self, free: Mapping[str, int]) -> None:
        self._free = dict(free)
        self._guard = threading.RLock()  # a collection of garbage in the middle may end an attempt
        self.wanted: set[str] = set()
        """Isolations in which tasks wait for a place: no new one passes them."""
        self.expected = 0
        """Tasks on their way: submitted and not yet committed, or brought here and not yet claimed."""

    def free(self, isolation: str) -> int:
        return self._free[isolation]

    def take(self, isolation: str, *, for_submit: bool = False) -> bool:
        """Take one; with none left, note that it was wanted."""
        with self._guard:
            if self._free[isolation] <= 0:
                self.wanted.add(isolation)
                return False
            self._free[isolation] -= 1
            self.expected += for_submit
            return True

    def take_all(self, isolation: str) -> int:
        """Take all that are left, so that nobody else does in the meantime."""
        with self._guard:
            taken, self._free[isolation] = self._free[isolation], 0
            return taken

    def give_back(self, isolation: str, count: int = 1) -> None:
        with self._guard:
            self._free[isolation] += count

    def expect(self) -> None:
        """One more is on its way."""
        with self._guard:
            self.expected += 1

    def arrived(self, count: int) -> None:
        """So many are on their way no more."""
        with self._guard:
            self.expected -= count
