"""How soon each planted bug is caught: the median of schedules, and of processor time, from one catch to the next.

python -m tests.simulation.detection --catches 41
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from statistics import median
from typing import NamedTuple

from tests.simulation import stand_ins
from tests.simulation.__main__ import BETWEEN, run
from tests.simulation.bugs import BUGS, planted
from tests.simulation.plan import plan_of
from tests.simulation.shrink import rule_of
from tests.simulation.stage import BINDINGS

FIRST = 5_000_000
"""Far from the seeds of the tests."""


class Found(NamedTuple):
    """What a search for one bug came to."""

    schedules: int
    seconds: float
    gaps: list[tuple[int, float]]
    """(schedules, seconds of a core) from one catch to the next."""


def search(bug: str, first: int, catches: int, most: int) -> Found:
    """Run schedules until the bug was caught so often, or so many were run."""
    gaps: list[tuple[int, float]] = []
    began = at = time.process_time()
    last = first - 1
    with stand_ins.inside(*BINDINGS), planted(bug):
        for seed in range(first, first + most):
            broken = {rule_of(rule) for rule in run(plan_of(seed)).broken}
            if broken & set(BUGS[bug].breaks):
                now = time.process_time()
                gaps.append((seed - last, now - at))
                last, at = seed, now
                if len(gaps) == catches:
                    break
            if seed % BETWEEN == 0:
                gc.collect()
    return Found(seed - first + 1, time.process_time() - began, gaps)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.detection")
    parser.add_argument("--catches", type=int, default=41)
    parser.add_argument("--most", type=int, default=20_000, help="schedules for one bug")
    parser.add_argument("--bug", choices=BUGS, action="append")
    options = parser.parse_args()
    gc.freeze()
    gc.disable()
    print("| bug | caught | median of schedules | median of core seconds |\n| --- | --- | --- | --- |")
    for bug in options.bug or BUGS:
        found = search(bug, FIRST, options.catches, options.most)
        gaps = found.gaps or [(found.schedules, found.seconds)]
        print(f"| {bug} | {len(found.gaps)} in {found.schedules:,} | {median(gap[0] for gap in gaps):,g} "
              f"| {median(gap[1] for gap in gaps):.2f} |", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
