"""What settled adds to each task over an engine that exists already: the same workers, with and without it."""

from __future__ import annotations

from functools import partial

from bench.speed import postgres
from bench.speed.measures.plan import Plan
from bench.speed.measures.postgres.turns import Pace, turn
from bench.speed.rounds import Comparison, alternate

IN_FLIGHT = 64
ROUNDS = 5
"""More than elsewhere: what is looked for is a small difference between two large figures."""
PAIRS = {
    "Celery": ("Celery, its own results", "celery_", "settled over Celery", "ours_celery"),
    "Procrastinate": ("Procrastinate, results by hand", "procrastinate_", "settled over Procrastinate",
                      "ours_procrastinate"),
}  # fmt: skip
"""By engine: the bare one and ours, each with its module."""


def added(plan: Plan) -> Comparison:
    """Lifecycles a second of each, with 64 in flight."""
    server = postgres.find()
    pace = Pace.of(plan)
    modules = {}
    for bare, bare_module, ours, ours_module in PAIRS.values():
        modules |= {bare: bare_module, ours: ours_module}
    sides = {
        name: partial(turn, server, plan.folder, module, pace, in_flight=IN_FLIGHT) for name, module in modules.items()
    }
    return alternate(sides, 1 if plan.quick else ROUNDS)
