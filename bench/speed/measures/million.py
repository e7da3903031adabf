"""What a poll and a sweep cost in a small ledger and in one with a million settled rows."""

from __future__ import annotations

import subprocess
import sys

from bench.speed import filling
from bench.speed.measures.plan import Plan
from bench.speed.rounds import Comparison, NotMeasured, side, spread

OPEN = 100


def costs(plan: Plan) -> Comparison:
    """Figures in an empty ledger and in the large one, each with a hundred open tasks."""
    ledgers = {f"{rows:,} settled rows": _filled(plan, rows) for rows in (0, plan.settled_rows)}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ledgers}
    try:
        for _ in range(plan.rounds):
            print(".", end="", file=sys.stderr, flush=True)
            found = side("ledger_cost", plan.folder, ledgers=ledgers, seconds=0.2 if plan.quick else 0.4)
            for name, figures in found.items():
                runs[name].append(figures)
    except (NotMeasured, subprocess.TimeoutExpired) as trouble:
        return dict.fromkeys(ledgers, f"not measured: {trouble}")
    return {name: {key: spread([run[key] for run in done]) for key in done[0]} for name, done in runs.items()}


def _filled(plan: Plan, rows: int) -> dict[str, object]:
    path = plan.folder / f"rows-{rows}.db"
    filling.fill(path, settled=rows, still_open=OPEN)
    ids = {
        "open": filling.ids_of(path, "pending", OPEN),
        "newest": filling.ids_of(path, "completed", 1_000),
        "any": filling.ids_of(path, "completed", 1_000, newest=False),
    }
    return {"path": str(path), "ids": ids}
