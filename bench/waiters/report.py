"""The table, as JSON, Markdown, a picture, and a page in which every cell opens its log."""

from __future__ import annotations

import json
import sys
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


def write(told: Mapping[str, Any], folder: Path) -> str:
    """Write waiters.json, .md, .svg and .html; return the Markdown."""
    head = {name: value for name, value in told.items() if name != "cells"}
    one_a_line = ",\n".join(json.dumps(cell, ensure_ascii=False) for cell in told["cells"])
    data = json.dumps(head, ensure_ascii=False, indent=1)[:-2] + f',\n "cells": [\n{one_a_line}\n ]\n}}\n'
    text = markdown(told)
    (folder / "waiters.json").write_text(data, "utf-8")
    (folder / "waiters.md").write_text(text, "utf-8")
    (folder / "waiters.svg").write_text(picture.drawn(told), "utf-8")
    page = PAGE.read_text("utf-8").replace("/* data */", data.replace("</", "<\\/"))
    (folder / "waiters.html").write_text(page, "utf-8")
    return text


def markdown(told: Mapping[str, Any]) -> str:
    """For people, in short: what each client did, and where each one hung."""
    clients, rows, grades = told["clients"], told["rows"], told["grades"]
    cells = {(cell["client"], cell["row"]): cell["grade"] for cell in told["cells"]}
    counts = {client["key"]: Counter(cells[client["key"], row["name"]] for row in rows) for client in clients}
    lines = [
        "# Does a waiting client ever hang?", "",
        f"`make waiters` on {told['made']}: {len(clients)} clients at {len(rows)} bad servers and fates of a page,",
        f"each pair in a tab of its own of {told['browser']}; {told['took']} s on {told['machine']}.", "",
        f"The task settles after {told['settles']:g} s where it settles, and promises to by {told['promise']:g} s. "
        f"Who still waits after {told['horizon']:g} s,",
        "or after what its documentation says it bears at most, hangs.",
        "[The page](waiters.html) has the log of every cell (open it from a checkout), [the data](waiters.json) has it "
        "too;",
        "[the kit](../../bench/waiters/README.md) says what is played and what counts as the truth.", "",
        "![Each client at each row](waiters.svg)", "",
        "| client | " + " | ".join(f"{about['mark']} {grade}" for grade, about in grades.items()) + " |",
        "| --- |" + " ---: |" * len(grades),
    ]  # fmt: skip
    for client in clients:
        counted = counts[client["key"]]
        lines.append(f"| `{client['title']}` | " + " | ".join(str(counted[grade] or "") for grade in grades) + " |")
    lines += ["", *(f"- {about['mark']} {about['means']}" for about in grades.values()), ""]
    lines += ["| row | it must say | " + " | ".join(f"{n}" for n in range(1, len(clients) + 1)) + " |"]
    lines += ["| --- | --- |" + " --- |" * len(clients)]
    for row in rows:
        marks = [grades[cells[client["key"], row["name"]]]["mark"] for client in clients]
        lines.append(f"| {row['name']}: {row['why']} | {row['truth']} | " + " | ".join(marks) + " |")
    lines += ["", *(f"{n}. {c['title']}: {c['setup']}" for n, c in enumerate(clients, 1)), ""]
    packages = ", ".join(f"{name} {version}" for name, version in told["packages"].items())
    return "\n".join([*lines, f"Versions: {packages}.", ""])


if __name__ == "__main__":  # python -m bench.waiters.report docs/evidence/waiters.json: draws what is there anew
    path = Path(sys.argv[1])
    write(json.loads(path.read_text("utf-8")), path.parent)
