"""Makes the page about soaks from the files of runs: python -m bench.soak.page RUN.json [RUN.json …]

Each run's file is kept as docs/evidence/soak-LEDGER.json beside its picture, and docs/evidence/soak.md is made from
those. Nothing is measured here, and no figure is written by hand.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench.soak.flat import DESCRIPTORS_SLACK, MEMORY_SLACK, judged
from bench.soak.members import ROOT
from bench.soak.picture import picture

PAGES = ROOT / "docs" / "evidence"
HEAD = f"""# Soak

The demo under load and under fire: two servers and three workers on one ledger. Tasks come at random instants, about
one in twelve a fault of the demo's own; one server and two workers are killed, frozen, told to end and started again,
and the ledger is locked. A book beside them reads every task once a second without settling anything, asks for those
past their bound as a page does, keeps what was seen settled, and compares every row in the end. `settled doctor` judges
once a minute, and reads the whole database in the end. A tenth of the tasks is waited for over HTTP.

Flat is a process whose memory (median) in the last quarter is at most {MEMORY_SLACK:.0%} above that of the second, and
whose fewest open descriptors are at most {DESCRIPTORS_SLACK} more. The first quarter is left out: pools and caches fill
then. The soak's own process keeps a line for each task, and grows by that. The peaks of a server's memory are a fault
of the demo's, an exception with 10 MB of text. In the hours below its servers were not flat: glibc keeps what such a
text has freed, in each of its arenas, and on SQLite each thread's page cache grew up to 4 MiB. The shorter runs after
them were made with page caches of 1 MiB and `MALLOC_MMAP_THRESHOLD_=131072`, as [deploying](../deploying.md#memory)
advises: what is large goes back to the system then, and a leak would be seen. How it is done is in
[bench](../../bench/README.md#the-soak). This page is made by `python -m bench.soak.page` from the files of the runs.
"""
ABOUT = ("command", "environment", "commit", "machine", "disk", "python", "packages")


def main(files: list[Path]) -> None:
    PAGES.mkdir(parents=True, exist_ok=True)
    for file in files:
        run = json.loads(file.read_text("utf-8"))
        shutil.copyfile(file, PAGES / f"soak-{run['about']['ledger']}-{run['about']['minutes']:g}.json")
    kept = sorted(PAGES.glob("soak-*.json"), key=_order)
    for file in kept:
        file.with_suffix(".svg").write_text(picture(json.loads(file.read_text("utf-8"))), "utf-8")
    (PAGES / "soak.md").write_text(page(kept), "utf-8")


def _order(file: Path) -> tuple[bool, float]:
    """SQLite first, and the longest first."""
    about = json.loads(file.read_text("utf-8"))["about"]
    return about["ledger"] != "sqlite", -about["minutes"]


def page(files: list[Path]) -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for file in files for line in section(file))])


def section(file: Path) -> Iterator[str]:
    """What one run has seen."""
    run = json.loads(file.read_text("utf-8"))
    about = run["about"]
    yield f"## {about['minutes']:g} minutes on {'SQLite' if about['ledger'] == 'sqlite' else 'PostgreSQL'}\n"
    yield f"![What was settled, what was struck, and how memory and descriptors went]({file.stem}.svg)\n"
    yield from _verdict(run)
    yield from _table(("settled as", "tasks"), sorted(run["outcomes"].items(), key=lambda item: -item[1]))
    yield from _table(("strike", "times"), Counter(each["what"] for each in run["strikes"]).most_common())
    yield from _table(
        ("never struck", "memory, MB", "MB an hour", "fewest descriptors", "flat"),
        [
            (name, _arrow(flat["MB"], 1), flat["MB an hour"], _arrow(flat["descriptors"], 0), _yes(flat["flat"]))
            for name, flat in judged(run["samples"]).items()
        ],
    )
    load = sorted(minute["load"] for minute in run["minutes"])
    machine = [("ended", about["date"]), ("load, by the minute", f"{load[0]} to {load[-1]}, median {median(load):.0f}")]
    yield from _table(("the run", ""), [*machine, *((key, about[key]) for key in ABOUT if key in about)])


def _verdict(run: dict[str, Any]) -> Iterator[str]:
    broken, late, waits = run["broken"], run["expiries written late"], run["waits"]
    if broken:
        yield f"**{len(broken)} promises broken** in {run['rows']:,} tasks.\n"
        yield from (f"- {each}" for each in broken)
    else:
        yield (
            f"**No promise was broken.** All {run['rows']:,} tasks settled, none was answered as open past its bound, "
            "none changed afterwards, and nobody who waited was told anything but what the row says.\n"
        )
    failed = {what[15:]: count for what, count in run["submitted"].items() if what.startswith("not confirmed: ")}
    unsure = sum(failed.values())
    confirmed = sum(run["submitted"].values()) - unsure
    yield (
        f"- {confirmed:,} submits were confirmed; {unsure} were not: {_list(failed)}. "
        f"{run['found besides']} tasks of the ledger are of those, or came with a fault of many."
    )
    yield f"- {sum(waits.values()):,} waits over HTTP ended: {_list(waits)}."
    yield (
        f"- {late['count']} expiries were written past `settles_at`, the latest by {late['longest']:.1f} s; whoever "
        f"asked meanwhile was answered. {run['looks not answered']} looks of the book got no answer."
    )
    said = [each for doctor in run["doctors"] for each in doctor["said"] if each["level"] != "broken"]
    warned = _list(Counter(each["subject"] for each in said)) if said else "none"
    yield f"- The doctor was asked {len(run['doctors'])} times; its warnings: {warned}."
    yield f"- Starts: {_list(run['starts'])}.\n"


def _table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)
    yield ""


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def _arrow(values: list[float], digits: int) -> str:
    return " → ".join(f"{value:.{digits}f}" for value in values)


def _yes(holds: bool) -> str:
    return "yes" if holds else "**no**"


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
