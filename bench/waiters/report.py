"""The table, as JSON, Markdown, a picture, and a page in which every cell opens its log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.waiters import picture
from bench.waiters.cell import Cell
from bench.waiters.clients import Client
from bench.waiters.grade import ABSENT, ASKS_ON, FALSE, GRADES, HUNG, TRUE, VAGUE
from bench.waiters.rows import Row
from bench.waiters.story import HORIZON, PROMISE, SETTLES

MARKS = {TRUE: "✓", VAGUE: "~", ASKS_ON: "↻", FALSE: "✗", HUNG: "∞", ABSENT: "–"}
PAGE = Path(__file__).parent / "page.html"


@dataclass(frozen=True)
class Table:
    """All that was seen in one run."""

    clients: Sequence[Client]
    rows: Sequence[Row]
    cells: Mapping[tuple[str, str], Cell]
    packages: Mapping[str, str]
    browser: str
    machine: str
    took: float
    scale: float

    def counts(self, client: Client) -> Counter[str]:
        return Counter(self.cells[client.key, row.name].grade.grade for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        return {
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "browser": self.browser, "machine": self.machine, "took": round(self.took), "scale": self.scale,
            "settles": SETTLES, "promise": PROMISE, "horizon": HORIZON, "packages": self.packages,
            "grades": {grade: {"mark": MARKS[grade], "means": means} for grade, means in GRADES.items()},
            "clients": [
                {"key": c.key, "title": c.title, "package": c.package, "setup": c.setup, "ours": c.ours}
                for c in self.clients
            ],
            "rows": [{"name": r.name, "why": r.why, "truth": r.truth, "group": r.group} for r in self.rows],
            "cells": [
                {"client": c.key, "row": r.name, **self.cells[c.key, r.name].as_dict()}
                for r in self.rows for c in self.clients
            ],
        }  # fmt: skip


def write(table: Table, folder: Path) -> str:
    """Write waiters.json, .md, .svg and .html; return the Markdown."""
    told = table.as_dict()
    one_a_line = ",\n".join(json.dumps(cell, ensure_ascii=False) for cell in told.pop("cells"))
    data = json.dumps(told, ensure_ascii=False, indent=1)[:-2] + f',\n "cells": [\n{one_a_line}\n ]\n}}\n'
    text = markdown(table, told)
    (folder / "waiters.json").write_text(data, "utf-8")
    (folder / "waiters.md").write_text(text, "utf-8")
    (folder / "waiters.svg").write_text(picture.drawn(json.loads(data)), "utf-8")
    page = PAGE.read_text("utf-8").replace("/* data */", data.replace("</", "<\\/"))
    (folder / "waiters.html").write_text(page, "utf-8")
    return text


def markdown(table: Table, told: Mapping[str, Any]) -> str:
    """For people, in short: what each client did, and where each one hung."""
    packages = ", ".join(f"{name} {version}" for name, version in table.packages.items())
    lines = [
        "# Does a waiting client ever hang?", "",
        f"`make waiters` on {told['made']}: {len(table.rows)} rows, {len(table.clients)} clients,",
        f"each pair in a tab of its own of {table.browser}; {table.took:.0f} s on {table.machine}.", "",
        f"The task settles after {SETTLES:g} s where it settles, and by {PROMISE:g} s as it promises. Who still waits "
        f"after {HORIZON:g} s,", "or after what its documentation says it bears, hangs.",
        "[The page](waiters.html) shows the log of every cell, [the data](waiters.json) has them too.", "",
        "![Each client at each row](waiters.svg)", "",
        "| client | " + " | ".join(f"{MARKS[grade]} {grade}" for grade in GRADES) + " |",
        "| --- |" + " ---: |" * len(GRADES),
    ]  # fmt: skip
    for client in table.clients:
        counts = table.counts(client)
        lines.append(f"| `{client.title}` | " + " | ".join(str(counts[grade] or "") for grade in GRADES) + " |")
    lines += ["", *(f"- {MARKS[grade]} {grade}: {means}" for grade, means in GRADES.items()), ""]
    lines += ["| row | it must say | " + " | ".join(f"{n}" for n in range(1, len(table.clients) + 1)) + " |"]
    lines += ["| --- | --- |" + " --- |" * len(table.clients)]
    for row in table.rows:
        marks = [MARKS[table.cells[client.key, row.name].grade.grade] for client in table.clients]
        lines.append(f"| {row.name}: {row.why} | {row.truth} | " + " | ".join(marks) + " |")
    lines += ["", *(f"{n}. {c.title}: {c.setup}" for n, c in enumerate(table.clients, 1)), ""]
    return "\n".join([*lines, f"Versions: {packages}.", ""])
