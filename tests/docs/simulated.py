"""The table of the simulation's runs, out of docs/evidence/simulation.json."""

from __future__ import annotations

import json

from tests.docs.pages import ROOT
from tests.docs.tables import table

RUNS = ROOT / "docs/evidence/simulation.json"
COUNTS = ("schedules", "steps", "virtual seconds", "tasks", "attempts")


def runs() -> str:
    """A row for each run, and their sums."""
    found = json.loads(RUNS.read_text("utf-8"))
    rows = [
        [run["first seed"], *(f"{run[name]:,}" for name in COUNTS), run["commit"], run["date"], run["found"]]
        for run in found
    ]
    sums = ["**all**", *(f"{sum(run[name] for run in found):,}" for name in COUNTS), "", "", ""]
    return table(("first seed", *COUNTS, "commit", "date", "found"), [*rows, sums])
