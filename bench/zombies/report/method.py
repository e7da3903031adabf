"""How it was measured, in sentences, for the page and the text alike; the figures are the runs' own."""

from __future__ import annotations

from statistics import median

from bench.zombies.report.tally import Tally

BEFORE = (
    "Before each fault the instance completes a task that does nothing; if it cannot, the cell is not measured. Each "
    "instance has a web app, workers and servers of its own. Where a cell of exceptions or results ended well and no "
    "process was started anew, the next such cell uses the same instance."
)
SUPERVISED = (
    "What ends by itself is started again a second later, as by systemd, and what a dead main process has left is "
    "killed. Where the web app runs the tasks itself, it is the worker, and is always started again. A task may take "
    "10 s in systems that can be told. Redis has an append-only file; PostgreSQL is as it comes."
)
GRADED = (
    "A cell is a zombie if the page sees no end within 60 s of the submit's answer (submits may take 30 s). It is "
    "untrue if what the page was told is not what happened, which the task notes in a file outside of the system: "
    "completed, but no execution returned or the result is another one; failed, though the work was done; no such "
    "task; or it changed later. A reason is of use if it is more than a few letters, less than 100 kB, and says what "
    "the exception said."
)
NOT_MEASURED = (
    "Not measured: other brokers and stores than those named, several machines, a network that is cut, clocks that "
    "jump (these are in tests/ and docs/faults.md, for settled alone), Windows, and any setting that is not named here."
)


def method(tally: Tally) -> list[str]:
    """One sentence or a few for each paragraph."""
    runs = tally.results["runs"]
    loads = [load for run in runs for load in run["loads"]]
    machine = runs[-1]["machine"]
    begun, ended = min(run["begun"] for run in runs), max(run["ended"] for run in runs)
    at_once = " and ".join(map(str, sorted({run["at_once"] for run in runs})))
    beside = " in each run, and runs beside each other" if len(runs) > 1 else ""
    return [
        f"Measured from {begun} to {ended} in {len(runs)} run{'s' * (len(runs) > 1)}, on {machine['processors']} "
        f"processors, {machine['system']}, Python {machine['python']}, {machine['redis'].split(' sha')[0]}, "
        f"{machine['postgres']}. Cells ran side by side, {at_once} at once{beside}, on a machine that others used too: "
        f"its load was {min(loads, default=0):.0f} to {max(loads, default=0):.0f}, half of the time below "
        f"{median(loads or [0]):.0f}. Commands: {'; '.join(dict.fromkeys(run['command'] for run in runs))}.",
        BEFORE, SUPERVISED, GRADED, NOT_MEASURED,
    ]  # fmt: skip
