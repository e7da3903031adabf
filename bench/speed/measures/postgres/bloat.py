"""How much larger than need be the table is after many lifecycles, under each of several storage parameters."""

from __future__ import annotations

from functools import partial

from bench.speed import postgres
from bench.speed.measures.plan import Plan
from bench.speed.rounds import Comparison, Figures, alternate, side

OWN = "the store's own parameters"
VARIANTS = {
    OWN: "",
    "PostgreSQL's defaults": "autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_insert_scale_factor = 0.2",
    "the store's own, fillfactor 50": "fillfactor = 50",
    "autovacuum off": "autovacuum_enabled = off",
}


def bloat(plan: Plan) -> Comparison:
    """Figures of each variant, once."""
    server = postgres.find()
    return alternate({name: partial(_one, server, plan, storage) for name, storage in VARIANTS.items()}, 1)


def _one(server: postgres.Server, plan: Plan, storage: str) -> Figures:
    with postgres.database(server) as url:
        figures: Figures = side(
            "postgres.bloat",
            plan.folder,
            timeout=120 + plan.worn_by / 500,
            url=url,
            lifecycles=plan.worn_by,
            storage=storage,
        )
        return figures
