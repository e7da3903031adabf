"""The results as the reports read them: which systems and faults, what each cell is, what each system comes to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.zombies.grading import ABSENT, BROKEN, LIE, MUTE, SETTLED, ZOMBIE

BAD = (ZOMBIE, LIE, MUTE)


class Row(NamedTuple):
    """One system with its cells, by the faults' names."""

    name: str
    title: str
    ours: bool
    cells: dict[str, dict[str, Any]]
    counts: Counter[str]

    @property
    def measured(self) -> int:
        return sum(self.counts[grade] for grade in (SETTLED, *BAD))


class Tally:
    """The whole file; rows begin with ours, then those with the fewest zombies."""

    def __init__(self, results: dict[str, Any]) -> None:
        self.results = results
        self.faults: dict[str, dict[str, Any]] = {
            name: fault
            for name, fault in results["faults"].items()
            if any(name in cells for cells in results["cells"].values())
        }
        rows = [
            Row(name, system["title"], system["ours"], results["cells"][name],
                Counter(cell["grade"] for cell in results["cells"][name].values()))
            for name, system in results["systems"].items()
        ]  # fmt: skip
        self.rows = sorted(rows, key=lambda row: (not row.ours, *self._rank(row)))

    @staticmethod
    def _rank(row: Row) -> tuple[float, ...]:
        return tuple(row.counts[grade] / max(1, row.measured) for grade in BAD)

    @classmethod
    def read(cls, path: Path) -> Tally:
        return cls(json.loads(path.read_text("utf-8")))

    @property
    def groups(self) -> dict[str, list[str]]:
        """The faults' names by their groups, in order."""
        found: dict[str, list[str]] = {}
        for name, fault in self.faults.items():
            found.setdefault(fault["group"], []).append(name)
        return found

    def cells(self) -> Iterator[tuple[Row, str, dict[str, Any]]]:
        """Every cell that was measured."""
        for row in self.rows:
            for fault, cell in row.cells.items():
                if cell["grade"] not in (ABSENT, BROKEN):
                    yield row, fault, cell

    @property
    def measured(self) -> int:
        return sum(row.measured for row in self.rows)

    def verdict(self) -> str:
        """The picture in a sentence: zombies of ours, and of the others."""
        ours = [row for row in self.rows if row.ours]
        others = [row for row in self.rows if not row.ours]

        def said(rows: list[Row]) -> str:
            return f"{counted(sum(row.counts[ZOMBIE] for row in rows))} in {sum(row.measured for row in rows):,} cells"

        parts = [f"settled, {len(ours)} ways: {said(ours)}"] if ours else []
        parts += [f"{len(others)} others: {said(others)}"] if others else []
        return "; ".join(parts)


def counted(zombies: int) -> str:
    """So many zombies, in words."""
    return f"{zombies} zombie{'s' * (zombies != 1)}"
