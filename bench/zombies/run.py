"""Faults × systems, one cell each: ``python -m bench.zombies.run --help``; see README.md beside this.

Writes zombies.json after every cell; what is made of it is ``bench.zombies.report``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.zombies.faults import FAULTS, Fault
from bench.zombies.grading import GRADES, ZOMBIE
from bench.zombies.kept import kept, written
from bench.zombies.machine import commit, machine, versions
from bench.zombies.processes import ROOT, Undertaker
from bench.zombies.schedule import Schedule
from bench.zombies.servers import Postgres
from bench.zombies.surroundings import LIMIT
from bench.zombies.system import System
from bench.zombies.table import QUICK, SYSTEMS

RESULTS = ROOT / "bench" / "results" / "zombies.json"


def asked(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", default=",".join(QUICK), help="names, with commas between; or: all")
    parser.add_argument("--faults", default="all", help="names, with commas between; or: all")
    parser.add_argument("--at-once", type=int, default=8, help="cells side by side (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=60, help="seconds that a page waits (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the results go (default: %(default)s)")
    parser.add_argument("--add", action="store_true", help="keep the cells in that file that are not measured now")
    parser.add_argument("--list", action="store_true", help="print the names of systems and faults")
    return parser.parse_args(arguments)


def chosen(names: str, known: dict[str, Any]) -> list[Any]:
    if names == "all":
        return list(known.values())
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        sys.exit(f"Unknown: {', '.join(unknown)}. There are: {', '.join(known)}")
    return [known[name] for name in names.split(",")]


def command() -> str:
    """What was asked for, without what is this machine's own."""
    words = sys.argv[1:]
    return " ".join(["python -m bench.zombies.run", *(Path(word).name if "/" in word else word for word in words)])


class Results:
    """The file of results, written after each cell, so that a run that is broken off has its cells."""

    def __init__(self, path: Path, add: bool, patience: float, at_once: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        old = json.loads(path.read_text("utf-8")) if add and path.exists() else {}
        self.cells: dict[str, dict[str, Any]] = old.get("cells", {})
        self._systems: dict[str, Any] = old.get("systems", {})
        self._runs: list[dict[str, Any]] = old.get("runs", [])
        self._run: dict[str, Any] = {
            "begun": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command(),
            "commit": commit(),
            "machine": machine(),
            "at_once": at_once,
            "patience": patience,
            "limit": LIMIT,
            "loads": [],
        }
        self._runs.append(self._run)

    def take(self, system: System, fault: Fault, record: dict[str, Any]) -> None:
        self.cells.setdefault(system.name, {})[fault.name] = kept(record)
        self._systems[system.name] = {
            "title": system.title, "settings": system.settings, "servers": dict(system.servers), "ours": system.ours,
            "versions": versions(system), "notes": dict(system.notes),
        }  # fmt: skip
        self._run["loads"].append(round(os.getloadavg()[0], 1))
        self.write()

    def write(self) -> None:
        self._run["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
        faults = {name: {"title": fault.title, "what": fault.what, "group": fault.group, "truths": fault.truths}
                  for name, fault in FAULTS.items()}  # fmt: skip
        ordered = {name: self.cells[name] for name in SYSTEMS if name in self.cells}
        content = {
            "runs": self._runs, "grades": GRADES, "faults": faults,
            "systems": {name: self._systems[name] for name in ordered},
            "cells": {name: {fault: of[fault] for fault in FAULTS if fault in of} for name, of in ordered.items()},
        }  # fmt: skip
        part = self._path.with_suffix(".part")
        part.write_text(written(content), "utf-8")
        part.replace(self._path)


async def run(wish: argparse.Namespace) -> Results:
    systems, faults = chosen(wish.systems, SYSTEMS), chosen(wish.faults, dict(FAULTS))
    results = Results(wish.json, wish.add, wish.patience, wish.at_once)
    folder = Path(tempfile.mkdtemp(prefix="zombies-"))
    os.chmod(folder, 0o755)  # PostgreSQL's account must get in
    begun = time.monotonic()

    def report(system: System, fault: Fault, record: dict[str, Any]) -> None:
        results.take(system, fault, record)
        if record["grade"] != "absent":
            at, load = time.monotonic() - begun, os.getloadavg()[0]
            after = "" if record.get("seconds") is None else f"{record['seconds']:5.1f} s"
            names = f"{record['grade']:8} {system.name:24} {fault.name:30}"
            print(
                f"{at:6.0f} s  load {load:4.1f}  {names} {after:8} {' '.join(record['why'].split())[:110]}", flush=True
            )

    undertaker = Undertaker()
    try:
        if any("postgres" in system.servers.values() for system in systems):
            Postgres.initialise(folder)
        for system in systems:
            print(f"{system.name}: {', '.join(f'{name} {version}' for name, version in versions(system).items())}")
        await Schedule(systems, faults, wish.patience, folder, undertaker, report).run(wish.at_once)
    finally:
        undertaker.close()
        shutil.rmtree(folder, ignore_errors=True)
    return results


def main() -> None:
    wish = asked()
    if wish.list:
        print("systems:", *SYSTEMS, "", "faults:", *FAULTS, sep="\n")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = asyncio.run(run(wish))
    for name, cells in results.cells.items():
        zombies = sum(cell["grade"] == ZOMBIE for cell in cells.values())
        print(f"{name:24} {zombies} zombies in {sum(cell['grade'] != 'absent' for cell in cells.values())} cells")
    print(f"Written: {wish.json}")


if __name__ == "__main__":
    main()
