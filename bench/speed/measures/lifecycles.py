"""Full lifecycles and the latency of a submit: raw, as people write it, and ours; on this disk or a slower one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from bench.speed.measures.http_lifecycles import lifecycles
from bench.speed.measures.plan import Plan
from bench.speed.rounds import Comparison, alternate, side

RAW, USUAL, OURS = "by hand, raw", "as people write it", "settled"
LIMITS = {"sets of 100 by hand": 100, "sets of 1,000 by hand": 1_000}
"""What the disk can do, by rows to a commit."""
PEERS = {"Huey": "peers.huey_", "DBOS": "peers.dbos_"}
USUAL_HTTP, OURS_HTTP, OURS_LONG_POLL = "as people write it, HTTP", "settled, HTTP", "settled, HTTP, long poll"
WARM = 0.3
WARM_HTTP = 1.0  # three times that for a thousand, whose first wave takes long


def in_process(plan: Plan, variables: Mapping[str, str] | None = None) -> dict[int, Comparison]:
    """By the number in flight: figures of each side."""
    modules = {RAW: "raw", OURS: "ours", USUAL: "usual"}
    rounds = plan.slow_rounds if variables else plan.rounds
    found = {}
    for number in plan.in_flight:
        asked = {"in_flight": number, "warm": WARM, "seconds": plan.seconds}
        sides = {name: partial(side, module, plan.folder, variables, **asked) for name, module in modules.items()}
        if number == max(plan.in_flight):
            sides |= {
                name: partial(side, "limit", plan.folder, variables, rows=size, warm=WARM, seconds=plan.seconds)
                for name, size in LIMITS.items()
            }
        found[number] = alternate(sides, rounds)
    return found


def beside_peers(plan: Plan) -> dict[int, Comparison]:
    """The same beside task queues that keep their results in SQLite too; their packages must be there."""
    modules = {RAW: "raw", OURS: "ours", **PEERS}
    return {
        number: alternate(
            {
                name: partial(
                    side, module, plan.folder, in_flight=number, warm=WARM_HTTP, seconds=2 * plan.seconds, timeout=90
                )
                for name, module in modules.items()
            },
            plan.slow_rounds,
        )
        for number in plan.in_flight
    }


def over_http(plan: Plan, variables: Mapping[str, str] | None = None) -> dict[int, Comparison]:
    """The same over HTTP, both in FastAPI, with the same client."""
    found = {}
    for number in plan.http_in_flight:
        run = partial(
            lifecycles,
            folder=plan.folder,
            in_flight=number,
            warm=WARM_HTTP if number < 1_000 else 3 * WARM_HTTP,
            seconds=plan.http_seconds,
            variables=variables,
        )
        sides = {USUAL_HTTP: partial(run, "usual_app"), OURS_HTTP: partial(run, "ours_app")}
        if not variables:
            sides[OURS_LONG_POLL] = partial(run, "ours_app", long_poll=True)
        found[number] = alternate(sides, min(plan.slow_rounds, 2) if variables else plan.slow_rounds)
    return found
