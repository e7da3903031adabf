"""A long run, that writes from time to time how far it has come; runs add up in docs/evidence/simulation.json.

nice -n 19 python -m tests.simulation.long --first 100000000 --minutes 60 --commit $(git rev-parse --short HEAD) FILE

The file is a list of runs. ``found`` of each is for a person: what became of what was broken.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.simulation.__main__ import CHUNK, run_many

EVERY = 120.0
"""Seconds between two words of how far it is."""
COUNTED = ("schedules", "steps", "virtual seconds", "tasks", "attempts")


class Run:
    """One run's totals, as its file holds them."""

    def __init__(self, file: Path, first: int, commit: str) -> None:
        self._file = file
        self._first = first
        self._commit = commit
        self._date = time.strftime("%Y-%m-%d", time.gmtime())
        self._counts: Counter[str] = Counter()
        self._broken: list[tuple[int, list[str]]] = []
        self._core_seconds = 0.0
        self._written = time.monotonic()

    def add(self, found: dict[str, Any]) -> None:
        """A chunk is done; what it broke is written at once."""
        self._counts.update(found["counts"])
        self._broken += found["broken"]
        self._core_seconds += found["cpu"]
        if found["broken"] or time.monotonic() - self._written > EVERY:
            self.write()

    def write(self) -> None:
        self._written = time.monotonic()
        runs: list[dict[str, Any]] = json.loads(self._file.read_text()) if self._file.exists() else []
        mine: dict[str, Any] = {"commit": self._commit, "date": self._date, "first seed": self._first}
        runs = [run for run in runs if any(run[name] != value for name, value in mine.items())]
        mine |= {name: self._counts[name] for name in COUNTED}
        mine |= {"core seconds": round(self._core_seconds), "broken": self._broken, "found": ""}
        self._file.write_text(json.dumps([*runs, mine], indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.long")
    parser.add_argument("file", type=Path)
    parser.add_argument("--first", type=int, required=True, help="the first seed, far from those of other runs")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--commit", required=True)
    options = parser.parse_args()
    run = Run(options.file, options.first, options.commit)
    until = time.monotonic() + 60 * options.minutes
    seed = options.first
    with ProcessPoolExecutor(options.jobs) as pool:
        while time.monotonic() < until:
            parts = [pool.submit(run_many, seed + CHUNK * n, CHUNK, None, False) for n in range(options.jobs)]
            seed += CHUNK * options.jobs
            for part in parts:
                run.add(part.result())
    run.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
