"""Fails when settled has become much slower beside what is written by hand: python -m bench.speed.check

Ratios within one run, each far below what is usual here, since a shared machine has moods: what falls below is a
mistake, not noise. It takes half a minute; what the figures are says ``bench.speed.run``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.speed.measures import lifecycles, million, polls
from bench.speed.measures.plan import Plan
from bench.speed.report import ratio, table, times

TRIES = 2
"""A ratio that is too low is measured once more before it counts."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="settled-check-") as folder:
        plan = Plan(Path(folder), quick=True, in_flight=(64,), rows=50_000)
        slow: dict[str, str] = {}
        for _ in range(TRIES):
            found = _ratios(plan)
            print(table(["ratio", "at least", "measured"], [[what, *map(times, pair)] for what, pair in found.items()]))
            slow = {what: times(value) for what, (least, value) in found.items() if value is None or value < least}
            if not slow:
                return
    sys.exit(f"Slower than it may be beside the same by hand: {slow}. What takes the time: make bench BENCH=--profile")


def _ratios(plan: Plan) -> dict[str, tuple[float, float | None]]:
    """By what is compared: the least that is allowed, and what was measured."""
    lived = lifecycles.in_process(plan)[64]
    large = million.costs(plan)
    empty, full = large
    asked = polls.polls(plan)
    return {
        "lifecycles, 64 in flight, settled ÷ raw by hand": (
            1.5, ratio(lived, lifecycles.OURS, lifecycles.RAW, "per_second"),
        ),
        f"poll, {full} ÷ none": (0.4, ratio(large, empty, full, "get_open_us")),
        f"sweep, {full} ÷ none": (0.4, ratio(large, empty, full, "sweep_us")),
        "polls over HTTP, settled ÷ bare ASGI by hand": (
            0.35, ratio(asked, polls.ASGI_OURS, polls.ASGI_HAND, "settled_per_second"),
        ),
    }  # fmt: skip


if __name__ == "__main__":
    main()
