"""Memory and processor time of a process at rest, and the time of the imports."""

from __future__ import annotations

from functools import partial

from bench.speed.measures.plan import Plan
from bench.speed.rounds import Comparison, alternate, side

BARE, OURS = "Python, asyncio, sqlite3", "settled at rest"
MODULES = {
    "asyncio, sqlite3, json": ["asyncio", "sqlite3", "json"],
    "the same and settled": ["asyncio", "sqlite3", "json", "settled"],
}


def memory(plan: Plan) -> Comparison:
    """Resident memory and processor time with a ledger open, beside a process without settled."""
    seconds = 1.0 if plan.quick else 3.0
    sides = {
        name: partial(side, "at_rest", plan.folder, which=which, seconds=seconds)
        for name, which in ((BARE, "bare"), (OURS, "ours"))
    }
    return alternate(sides, plan.slow_rounds)


def imports(plan: Plan) -> Comparison:
    """Milliseconds in a fresh process, the files in the page cache."""
    sides = {name: partial(side, "import_time", plan.folder, modules=modules) for name, modules in MODULES.items()}
    return alternate(sides, 3 if plan.quick else 9)
