"""Runs measured sides in processes of their own, in turn, and sums up the rounds."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
Figures = dict[str, float]
"""What one run of one side measured."""


class NotMeasured(Exception):
    """A side cannot be measured here; the text says why."""


class Spread(NamedTuple):
    """The middle, the least and the most of several rounds, and each round's value in order."""

    median: float
    least: float
    most: float
    rounds: tuple[float, ...]


Comparison = dict[str, dict[str, Spread] | str]
"""By side: its figures over the rounds, or the reason why there are none."""


def spread(values: list[float]) -> Spread:
    """Sum up one figure over its rounds."""
    return Spread(statistics.median(values), min(values), max(values), tuple(values))


def side(
    module: str, folder: Path, variables: Mapping[str, str] | None = None, timeout: float = 120, **asked: Any
) -> Any:
    """Run ``sides.<module>`` in a fresh process and folder; return what it prints as its last line, from JSON."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        command = [sys.executable, "-m", f"bench.speed.sides.{module}", json.dumps({"folder": own, **asked})]
        env = {**os.environ, **(variables or {})}
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=env)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if "--trace" in sys.argv:
            print(done.stderr, file=sys.stderr)
        raise NotMeasured(f"bench.speed.sides.{module} failed: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def alternate(sides: Mapping[str, Callable[[], Figures]], rounds: int) -> Comparison:
    """Call each side once a round, in turn (A B A B …); a side that fails gives the reason instead of figures."""
    runs: dict[str, list[Figures]] = {name: [] for name in sides}
    broken: dict[str, str] = {}
    for _ in range(rounds):
        for name, run in sides.items():
            if name in broken:
                continue
            try:
                print(".", end="", file=sys.stderr, flush=True)
                runs[name].append(run())
            except (NotMeasured, AssertionError, OSError, subprocess.TimeoutExpired) as trouble:
                broken[name] = f"not measured: {trouble}"
    summed: Comparison = {}
    for name in sides:
        done = runs[name]
        summed[name] = broken.get(name) or {key: spread([run[key] for run in done]) for key in done[0]}
    return summed
