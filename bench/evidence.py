"""Makes the page for all evidence from the runs' own files: python -m bench.evidence

Writes docs/evidence/index.md from what lies beside it; what has not been run is said to be missing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.waiters.grade import ABSENT

PAGES = Path(__file__).parents[1] / "docs" / "evidence"
HEAD = """# Evidence

What settled promises, tried. Each page is made from the files of its runs, by the command beside it, and says on which
machine, with which versions and when. This page is made by `python -m bench.evidence`.

![A row for each system, a square for each fault; red is a page that was told nothing for a minute](zombies.svg)

![When the page knew, by system](zombies-times.svg)
"""
NOT_MEASURED = """
## What was not measured

- Other machines: all of it ran on one virtual machine of two processors, which other work used too. Ratios within one
  run and counts hold better than times; each page states the load.
- macOS, Windows, ARM; Python other than 3.11; PostgreSQL other than 15; network file systems; disks that lie about
  fsync.
- Real cloud disks and networks: a slow disk is imitated by a millisecond added to each fsync, a network by namespaces,
  a proxy and a firewall on one machine.
- Power cuts. Durability is that of SQLite (WAL, `synchronous=FULL`) and of PostgreSQL (`fsync = on`); processes and
  servers were killed, the machine was not.
- Systems that are not in the matrix, and settings of theirs beyond a default and a hardened one.
"""


class Run(NamedTuple):
    """One run as its file tells: what it came to, when, on what, by which command."""

    verdict: str
    date: str
    machine: str
    command: str


def main() -> None:
    lines = [HEAD, "| what is asked | what it came to | when, on what | how |", "| --- | --- | --- | --- |"]
    for page, (title, file, read, command) in TABLE.items():
        source = PAGES / file
        if not (PAGES / page).exists():
            lines.append(f"| {title} | not run yet | | `{command}` |")
            continue
        run = read(json.loads(source.read_text("utf-8"))) if source.suffix == ".json" and source.exists() else None
        told = f"| {run.verdict} | {run.date}; {run.machine}" if run else "| see the page | see the page"
        lines.append(f"| [{title}]({page}) {told} | `{command}` |")
    (PAGES / "index.md").write_text("\n".join([*lines, NOT_MEASURED]), encoding="utf-8")


def _zombies(found: dict[str, Any]) -> Run:
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for name, cells in found["cells"].items():
        ours = found["systems"][name]["ours"]
        counts[ours] += Counter(c["grade"] for c in cells.values() if c["grade"] not in ("broken", "absent"))
    said = [
        f"{side} in {counts[ours]['zombie']} of {counts[ours].total():,} cells"
        for ours, side in ((True, "settled"), (False, "others"))
    ]
    machine = found["runs"][0]["machine"]
    dates = sorted(run["begun"][:16].replace("T", " ") for run in found["runs"])
    return Run(
        f"zombies: {', '.join(said)}", f"{dates[0]} UTC", f"{machine['processors']} processors, {machine['system']}",
        found["runs"][0]["command"],
    )  # fmt: skip


def _waiters(found: dict[str, Any]) -> Run:
    ours = {client["key"] for client in found["clients"] if client["ours"]}
    counts = {True: Counter[str](), False: Counter[str]()}
    for cell in found["cells"]:
        counts[cell["client"] in ours][cell["grade"]] += 1
    said = []
    for mine, side in ((True, "ours"), (False, "others")):
        seen = [f"{number} {grade}" for grade, number in counts[mine].most_common() if grade != ABSENT]
        said.append(f"{side}: {', '.join(seen)}")
    return Run("; ".join(said), found["made"], f"{found['machine']}, {found['browser']}", "make waiters")


def _simulation(runs: list[dict[str, Any]]) -> Run:
    broken = sum(len(run["broken"]) for run in runs)
    said = f"{sum(run['schedules'] for run in runs):,} schedules; {broken} broke a rule, and each is explained"
    return Run(said, max(run["date"] for run in runs), "see the page", "make simulate")


def _soak(found: dict[str, Any]) -> Run:
    about = found["about"]
    said = f"{found['rows']:,} tasks, {len(found['strikes'])} strikes, {len(found['broken'])} promises broken"
    return Run(said, about["date"], about["machine"], about["command"])


TABLE: dict[str, tuple[str, str, Callable[[Any], Run], str]] = {
    "zombies.md": ("Does a page ever load for ever? Faults × systems", "zombies.json", _zombies, "make zombies-all"),
    "waiters.md": ("Does a waiting client ever hang?", "waiters.json", _waiters, "make waiters"),
    "simulation.md": ("Is there a schedule that breaks the promise?", "simulation.json", _simulation, "make simulate"),
    "model.md": ("Is the protocol itself right?", "model.md", _soak, "make model"),
    "soak.md": ("Does it hold for an hour under fire?", "soak-sqlite-60.json", _soak, "make soak"),
    "speed.md": ("How fast is it, beside what?", "speed.md", _soak, "make bench, make bench-postgres"),
}
"""By page: what is asked, the file that tells, how it is read, and the command that makes it."""


if __name__ == "__main__":
    main()
