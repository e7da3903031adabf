"""What submit, poll, claim and sweep cost in an empty table and in one with many settled rows; what a sweep reads."""

from __future__ import annotations

from bench.speed import postgres
from bench.speed.measures.plan import Plan
from bench.speed.rounds import Comparison, NotMeasured, side, spread

OPEN = 100


def costs(plan: Plan) -> Comparison:
    """Figures in both, measured by turns in one process, on one database."""
    server = postgres.find()
    ledgers = {f"{rows:,} settled rows": rows for rows in (0, plan.settled_rows)}
    seconds = 0.5 if plan.quick else 2.0
    try:
        with postgres.database(server) as url:
            asked = {"url": url, "ledgers": ledgers, "seconds": seconds, "rounds": 2 if plan.quick else 5}
            found = side("postgres.large", plan.folder, timeout=120 + plan.settled_rows / 5_000, **asked)
    except NotMeasured as trouble:
        return dict.fromkeys(ledgers, f"not measured: {trouble}")
    return {name: {key: spread(values) for key, values in figures.items()} for name, figures in found.items()}
