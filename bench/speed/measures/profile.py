"""Shows where the time of a lifecycle goes: ``sides.ours`` under cProfile, one profile for each thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from bench.speed.measures.plan import Plan
from bench.speed.rounds import ROOT

ADVICE = """
cProfile makes Python code look dearer than C code. For true proportions, with the time that threads
wait for each other, install py-spy and run

    py-spy record --native --threads --rate 500 --output profile.svg -- \\
        python -m bench.speed.sides.ours '{wish}'

where the folder is an empty one on the disk in question (py-spy wants root for --native).
"""


def show(plan: Plan, in_flight: int) -> None:
    """Run and print the profiles."""
    with tempfile.TemporaryDirectory(dir=plan.folder) as own:
        wish = json.dumps({"folder": own, "in_flight": in_flight, "warm": 0.3, "seconds": 3.0})
        command = [sys.executable, "-m", "bench.speed.sides.profiled", wish]
        subprocess.run(command, cwd=ROOT, env=os.environ, timeout=120, check=True)
    print(ADVICE.format(wish=json.dumps({"folder": "FOLDER", "in_flight": in_flight, "warm": 0.3, "seconds": 10})))
