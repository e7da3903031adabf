"""How long and how often everything is measured: the quick run and the full one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """Seconds, rounds and sizes of one run; ``folder`` is where files lie, the databases of SQLite among them."""

    folder: Path
    quick: bool
    in_flight: tuple[int, ...] = (1, 64, 1_000)
    rows: int | None = None
    lifecycles: int | None = None

    @property
    def rounds(self) -> int:
        """Rounds of each comparison in process."""
        return 2 if self.quick else 5

    @property
    def slow_rounds(self) -> int:
        """Rounds where one takes long: over HTTP, or with a slow disk."""
        return 1 if self.quick else 3

    @property
    def seconds(self) -> float:
        """Measured time of one side in process."""
        return 0.6 if self.quick else 1.2

    @property
    def http_seconds(self) -> float:
        """Measured time of one side over HTTP."""
        return 1.5 if self.quick else 2.5

    @property
    def http_in_flight(self) -> tuple[int, ...]:
        """Lifecycles in flight over HTTP."""
        return (64,) if self.quick else self.in_flight

    @property
    def settled_rows(self) -> int:
        """Settled rows in the large ledger."""
        return self.rows or (200_000 if self.quick else 1_000_000)

    @property
    def worn_by(self) -> int:
        """Lifecycles after which a table's size is looked at."""
        return self.lifecycles or (10_000 if self.quick else 30_000)
