"""Full lifecycles with a stored result: settled, task queues that exist already, the pattern by hand, and pgbench."""

from __future__ import annotations

import importlib.metadata
from functools import partial
from pathlib import Path

import psycopg

from bench.speed import postgres
from bench.speed.measures.plan import Plan
from bench.speed.measures.postgres.turns import Pace, turn
from bench.speed.rounds import Comparison, Figures, alternate
from bench.speed.sides.postgres import pattern

OURS, BY_HAND = "settled", "by hand, psycopg"
ONE_CLIENT, EIGHT_CLIENTS, LIMIT = "pgbench, 1 client", "pgbench, 8 clients", "sets of 1,000 by hand"
LIMIT_OF_100 = "sets of 100 by hand"
AWA = "awa (its engine is in Rust)"
MODULES = {
    OURS: "ours",
    BY_HAND: "by_hand",
    "Procrastinate": "procrastinate_",
    "PgQueuer": "pgqueuer_",
    "DBOS": "dbos_",
    "Celery": "celery_",
    AWA: "awa_",
}
PEERS = tuple(name for name in MODULES if name not in (OURS, BY_HAND))
QUICK = 64
"""In flight where a quick run has the peers take part."""
PACKAGES = ("psycopg", "procrastinate", "pgqueuer", "asyncpg", "dbos", "celery", "awa-pg", "sqlalchemy")


def lifecycles(plan: Plan) -> dict[int, Comparison]:
    """By the number in flight: figures of each side; pgbench and the limit take their turns among them."""
    server = postgres.find()
    found = {}
    for number in plan.in_flight:
        pace = Pace.of(plan, number)
        sides = {
            name: partial(turn, server, plan.folder, module, pace, in_flight=number)
            for name, module in MODULES.items()
            if not plan.quick or name not in PEERS or number == QUICK
        }
        sides[ONE_CLIENT] = partial(_pgbench, server, plan.folder, 1, pace)
        sides[EIGHT_CLIENTS] = partial(_pgbench, server, plan.folder, 8, pace)
        if number == max(plan.in_flight):
            sides[LIMIT_OF_100] = partial(turn, server, plan.folder, "set_based", pace, rows=100)
            sides[LIMIT] = partial(turn, server, plan.folder, "set_based", pace, rows=1_000)
        found[number] = alternate(sides, pace.rounds)
    return found


def versions() -> str:
    """What was measured."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)


def _pgbench(server: postgres.Server, folder: Path, clients: int, pace: Pace) -> Figures:
    script = folder / "lifecycle.pgbench"
    script.write_text(pattern.PGBENCH)
    with postgres.database(server) as url:
        with psycopg.connect(url) as db:
            db.execute(pattern.TABLE)
        return {"per_second": postgres.pgbench(server, url, script, clients, pace.seconds)}
