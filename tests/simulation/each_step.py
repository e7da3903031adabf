"""A few plain runs, in each of which one thing goes wrong at one step: at every await, between any two statements.

python -m tests.simulation.each_step
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.simulation import stand_ins
from tests.simulation.__main__ import run, show
from tests.simulation.plan import LEASE, Fault, Plan, Task, Work
from tests.simulation.shrink import shrunk
from tests.simulation.stage import BINDINGS

STEPS = 90
WRITES = 12
AT_STEPS = (("crash", 1.0), ("crash_for_good", 0.0), ("freeze", LEASE + 3), ("cut", 3.0), ("leave", 0.0))
TASK = Task(0.3, (Work("raise", 0.3), Work("ok", 0.3)), timeout=2.0, start_timeout=9.0, attempts=2, key=True)
LOOKED_AT = Task(
    0.3, (Work("ok", 0.3), Work("raise", 0.3), Work("ok", 0.3)), timeout=2.0, start_timeout=9.0,
    looks=(0.0, 0.5, 1.2, 4.0),
)  # fmt: skip
IN_A_LANE = replace(TASK, key=False, batch=3, places=1)
IN_A_PROCESS = replace(TASK, isolation="process", timeout=7.5, works=(Work("ok", 5.0), Work("ok", 0.3)))
PLAINS = (
    Plan(1, (TASK,), (), workers=0, web_runs=True, between=1.0),
    Plan(2, (TASK,), (), workers=1, between=1.0, inline=False, one_machine=False, rechecks=False),
    Plan(3, (TASK,), (), workers=1, engine="remote", between=1.0),
    Plan(4, (LOOKED_AT,), (), workers=0, web_runs=True, between=1.0),
    Plan(5, (LOOKED_AT,), (), workers=1, between=1.0, inline=False, one_machine=False, rechecks=False),
    Plan(6, (IN_A_LANE,), (), workers=2, engine="remote", between=1.0),
    Plan(7, (IN_A_PROCESS,), (), workers=2, between=1.0, inline=False, rechecks=False),
)
"""A web app that runs its tasks itself; one with a worker on another machine; one with a broker between; a key whose
value is looked at, for the first two; a batch in a lane, with a broker and two workers; a process, with two of them."""


def plans(plains: Sequence[Plan]) -> Iterator[Plan]:
    for plain in plains:
        for who in range(plain.webs + plain.workers):
            for step in range(1, STEPS + 1):
                for kind, seconds in AT_STEPS:
                    yield replace(plain, faults=(Fault(kind, who, step, seconds),))
            for write in range(1, WRITES + 1):
                for kind, seconds in (("lost_reply", 0.0), ("slow", 1.0), ("slow", 20.0)):
                    yield replace(plain, faults=(Fault(kind, who, write, seconds),))


def main() -> int:
    count = 0
    chosen = [PLAINS[int(number)] for number in sys.argv[1:]] or PLAINS
    with stand_ins.inside(*BINDINGS):
        for plan in plans(chosen):
            count += 1
            result = run(plan)
            if result.broken:
                show(shrunk(result, run))
                return 1
    print(f"{count:,} runs, one fault at one step in each: nothing was broken.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
