"""Says whether a series of samples stays flat: what must not grow in a process that lives for long."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

MEMORY_SLACK = 0.05
"""The share by which the last quarter's median may lie above the second quarter's."""
DESCRIPTORS_SLACK = 3
"""A leak raises the fewest that are ever open."""


def judged(samples: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Any]:
    """For each process: MB (median) and descriptors (fewest) in the second and the last quarter, slope, and verdict.

    The first quarter is left out: caches and pools fill then. Samples are (seconds, MB, descriptors, threads).
    """
    return {name: _judged(series) for name, series in samples.items() if len(series) >= 8}


def _judged(series: Sequence[Sequence[float]]) -> dict[str, Any]:
    quarter = len(series) // 4
    after_warming, last = series[quarter : 2 * quarter], series[-quarter:]
    megabytes = [statistics.median(sample[1] for sample in part) for part in (after_warming, last)]
    descriptors = [min(sample[2] for sample in part) for part in (after_warming, last)]  # pages come and go
    hours = [sample[0] / 3600 for sample in series[quarter:]]
    slope = statistics.linear_regression(hours, [sample[1] for sample in series[quarter:]]).slope
    return {
        "MB": megabytes,
        "MB an hour": round(slope, 1),
        "descriptors": descriptors,
        "most descriptors": max(sample[2] for sample in series),
        "flat": megabytes[1] <= megabytes[0] * (1 + MEMORY_SLACK)
        and descriptors[1] <= descriptors[0] + DESCRIPTORS_SLACK,
    }
