"""The page: the matrix as a table of buttons, each of which opens its cell with the log; one file, nothing to fetch."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from bench.zombies.grading import ABSENT, BROKEN, GRADES, LIE, MUTE, SETTLED, ZOMBIE
from bench.zombies.report.look import SHORT
from bench.zombies.report.method import method
from bench.zombies.report.tally import Row, Tally
from bench.zombies.report.times import times

TEMPLATE = Path(__file__).with_name("page.html")


def page(tally: Tally) -> str:
    parts = {
        "big": _big(tally), "legend": _legend(), "table": _table(tally), "times": times(tally),
        "systems": _systems(tally), "faults": _faults(tally),
        "method": "".join(f"<p>{escape(line)}</p>" for line in method(tally)),
        "cells": json.dumps(_details(tally), separators=(",", ":")).replace("</", "<\\/"),
    }  # fmt: skip
    text = TEMPLATE.read_text("utf-8")
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    return text


def _big(tally: Tally) -> str:
    ours, others = [row for row in tally.rows if row.ours], [row for row in tally.rows if not row.ours]

    def box(rows: list[Row], what: str) -> str:
        zombies, measured = sum(row.counts[ZOMBIE] for row in rows), sum(row.measured for row in rows)
        return f"<li><b>{zombies} of {measured:,}</b> are zombies: {escape(what)}</li>" if rows else ""

    clean = [row for row in others if not row.counts[ZOMBIE]]
    best = f"<li><b>{len(clean)} of {len(others)}</b> other systems have none</li>" if others else ""
    return box(ours, f"settled, in {len(ours)} arrangements") + box(others, f"{len(others)} others") + best


def _legend() -> str:
    return "".join(
        f'<li><i class="{grade}"></i>{escape(SHORT[grade])}</li>'
        for grade in (ZOMBIE, LIE, MUTE, SETTLED, ABSENT, BROKEN)
    )


def _table(tally: Tally) -> str:
    starts = {names[0] for names in tally.groups.values()}
    heads = "".join(
        f'<th scope="col" class="{"start" if name in starts else ""}"><div>{escape(fault["title"])}</div></th>'
        for name, fault in tally.faults.items()
    )
    rows, before = [], True
    for row in tally.rows:
        kind = "ours" if row.ours else "first-other" if before else ""
        before = row.ours
        cells = "".join(_cell(tally, row, name, name in starts) for name in tally.faults)
        zombies = row.counts[ZOMBIE]
        told = f"{zombies} of {row.measured}" if zombies else "none"
        rows.append(
            f'<tr class="{kind}"><th scope="row">{escape(row.title)}</th>{cells}<td class="sum">{told}</td></tr>'
        )
    return (
        f'<table class="matrix"><thead><tr><th></th>{heads}<th class="sum">zombies</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _cell(tally: Tally, row: Row, name: str, start: bool) -> str:
    cell = row.cells.get(name)
    kind = ' class="start"' if start else ""
    if cell is None:
        return f"<td{kind}></td>"
    ran = cell.get("executions", 0)
    label = escape(f"{row.title}, {tally.faults[name]['title']}: {SHORT[cell['grade']]}")
    number = str(ran) if 1 < ran < 100 else "…" if ran > 1 else ""
    return (
        f'<td{kind}><button class="cell {cell["grade"]}" data-cell="{row.name}.{name}" title="{label}" '
        f'aria-label="{label}">{number}</button></td>'
    )


def _details(tally: Tally) -> dict[str, dict[str, Any]]:
    return {
        f"{row.name}.{name}": _detail(tally, row, name, cell)
        for row in tally.rows for name, cell in row.cells.items() if name in tally.faults
    }  # fmt: skip


def _detail(tally: Tally, row: Row, name: str, cell: dict[str, Any]) -> dict[str, Any]:
    fault, system = tally.faults[name], tally.results["systems"][row.name]
    facts = [
        ["ended as", cell.get("status")],
        ["after", _seconds(cell.get("seconds"))],
        ["reason shown", cell.get("reason")],
        ["result shown", cell.get("result")],
        ["later", cell.get("flipped_to")],
        ["ran", _times(cell.get("executions"))],
        ["submit took", _seconds(cell.get("submit_took"))],
        ["true would be", " or ".join(fault["truths"])],
        ["depends on a setting", system["notes"].get(name) or system["notes"].get(fault["group"])],
        ["settings", system["settings"]],
        ["versions", ", ".join(f"{package} {version}" for package, version in system["versions"].items())],
        ["measured", f"{cell['at']}, load {cell['load']}" if "at" in cell else None],
    ]
    return {
        "title": f"{row.title}: {fault['title']}", "what": fault["what"], "grade": cell["grade"],
        "grade_in_words": GRADES[cell["grade"]], "why": cell["why"],
        "facts": [[name, str(value)] for name, value in facts if value not in (None, "")],
        "seen": "\n".join(f"{at:7.2f} s  {what}" for at, what in cell.get("changes", [])),
        "notes": "\n".join(cell.get("notes", [])), "log": cell.get("log", ""),
    }  # fmt: skip


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.1f} s"


def _times(executions: int | None) -> str | None:
    return None if executions is None else f"{executions} ×"


def _systems(tally: Tally) -> str:
    rows = []
    for row in tally.rows:
        system = tally.results["systems"][row.name]
        versions = ", ".join(f"{package} {version}" for package, version in system["versions"].items())
        counted = ", ".join(f"{row.counts[grade]} {word}" for grade, word in WORDS.items() if row.counts[grade])
        rows.append(
            f'<tr><th scope="row">{escape(row.title)}</th><td>{escape(system["settings"])} '
            f"<small>{escape(versions)}</small></td><td>{counted}</td></tr>"
        )
    return f'<table class="facts"><tbody>{"".join(rows)}</tbody></table>'


WORDS = {ZOMBIE: "zombies", LIE: "untrue", MUTE: "without a reason", SETTLED: "settled", BROKEN: "not measured"}


def _faults(tally: Tally) -> str:
    rows = [
        f'<tr><th scope="row">{escape(fault["title"])}</th><td>{escape(fault["what"])}</td>'
        f"<td><small>true: {escape(' or '.join(fault['truths']))}</small></td></tr>"
        for fault in tally.faults.values()
    ]
    return f'<table class="facts"><tbody>{"".join(rows)}</tbody></table>'
