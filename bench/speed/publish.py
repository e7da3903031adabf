"""Makes the page about speed from the files of runs: python -m bench.speed.publish RUN.json [RUN.json …]

Writes docs/evidence/speed.md, with each run's own report as it was printed, and a picture of each comparison of
lifecycles. Nothing is measured here, and no figure is written by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.speed.measures import lifecycles
from bench.speed.plots import Bar, bars
from bench.speed.rounds import ROOT

PAGES = ROOT / "docs" / "evidence"
LIMITS = (*lifecycles.LIMITS, "pgbench, 1 client", "pgbench, 8 clients")
TITLES = {
    "plain": "In one process on SQLite",
    "peers": "On SQLite, beside other task queues",
    "pg_lifecycles": "On PostgreSQL, beside other task queues",
}
HEAD = """# Speed

Each figure stands beside what it is compared with, measured in the same run on the same disk with the same
durability; what each side is and does is in [bench](../../bench/README.md). A full lifecycle is a durable submit, the
run of a function that does nothing, a durable terminal write of about 200 bytes, and the submitter has the result.
Bars are logarithmic, with the least and the most of the rounds; pale ones are what the disk or the server can do when
nobody submits, runs or waits. This page is made by `python -m bench.speed.publish` from the files of the runs below.
"""


def main(files: list[Path]) -> None:
    PAGES.mkdir(parents=True, exist_ok=True)
    pictures, reports = [], []
    for file in files:
        figures = json.loads(file.read_text("utf-8"))["figures"]
        for name, picture in _pictures(figures):
            (PAGES / name).write_text(picture, encoding="utf-8")
            pictures.append(f"![{name}]({name})")
        reports.append(file.with_suffix(".md").read_text("utf-8").replace("## Speed", f"## Run of {_date(file)}"))
    (PAGES / "speed.md").write_text("\n".join([HEAD, *pictures, "", *reports]), encoding="utf-8")


def _pictures(figures: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, title in TITLES.items():
        for number, sides in figures.get(key, {}).items():
            found = [_bar(name, side["per_second"]) for name, side in sides.items() if isinstance(side, dict)]
            if found:
                found.sort(key=lambda bar: (bar.kind == "limit", -bar.median))
                yield f"speed-{key}-{number}.svg", bars(title, f"lifecycles a second, {int(number):,} in flight", found)


def _bar(name: str, spread: list[Any]) -> Bar:
    median, least, most, _ = spread
    kind = "ours" if name == lifecycles.OURS else "limit" if name in LIMITS or name.startswith("sets of") else ""
    return Bar(name, median, least, most, kind)


def _date(file: Path) -> str:
    facts: dict[str, str] = json.loads(file.read_text("utf-8"))["facts"]
    return facts["date"]


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
