"""The matrix as a picture: a row for each system, a square for each fault; what is red is a page that waits in vain."""

from __future__ import annotations

from bench.zombies.grading import ABSENT, BROKEN, LIE, MUTE, SETTLED, ZOMBIE
from bench.zombies.report.look import SHORT, box, picture, text
from bench.zombies.report.tally import Row, Tally

SIDE, GAP, BETWEEN = 15, 2, 9
"""A square, between two, and between two groups of faults."""
LEFT, TOP, RIGHT = 214, 252, 150


def matrix(tally: Tally) -> str:
    columns, end = _columns(tally)
    width = end + RIGHT
    first_other = next((n for n, row in enumerate(tally.rows) if not row.ours), len(tally.rows))
    bottoms = [TOP + n * (SIDE + GAP + 2) + (10 if n >= first_other else 0) for n in range(len(tally.rows))]
    parts = [
        text(20, 32, "What a waiting page is told when things go wrong", "large ink"),
        text(20, 52, tally.verdict(), "faint"),
    ]
    for name, x in columns.items():
        turn = f' transform="rotate(-58 {x + SIDE / 2:g} {TOP - 8})"'
        parts.append(text(x + SIDE / 2, TOP - 8, tally.faults[name]["title"], "small faint", more=turn))
    for row, y in zip(tally.rows, bottoms, strict=True):
        parts += _row(row, columns, end, y)
    height = (bottoms[-1] if bottoms else TOP) + SIDE + 58
    parts += _legend(height - 24)
    return picture(width, height, f"Faults by systems. {tally.verdict()}", parts)


def _columns(tally: Tally) -> tuple[dict[str, float], float]:
    found: dict[str, float] = {}
    x = float(LEFT)
    for names in tally.groups.values():
        for name in names:
            found[name] = x
            x += SIDE + GAP
        x += BETWEEN
    return found, x


def _row(row: Row, columns: dict[str, float], end: float, y: float) -> list[str]:
    parts = [text(LEFT - 10, y + 12, row.title, "bold ink" if row.ours else "ink", "end")]
    for name, x in columns.items():
        cell = row.cells.get(name)
        if cell is None:
            continue
        parts.append(box(x, y, SIDE, SIDE, cell["grade"]))
        if cell.get("executions", 0) > 1:
            parts.append(f'<circle cx="{x + SIDE / 2:g}" cy="{y + SIDE / 2:g}" r="2" class="paper"/>')
    zombies = row.counts[ZOMBIE]
    parts.append(_bar(end + 4, y, zombies, row))
    parts.append(
        text(
            end + 92,
            y + 12,
            "none" if not zombies else f"{zombies} of {row.measured}",
            "bold ink" if row.ours else "ink",
        )
    )
    return parts


def _bar(x: float, y: float, zombies: int, row: Row) -> str:
    return box(x, y + 3, 80 * zombies / max(1, row.measured) + (0 if zombies else 0.5), SIDE - 6, ZOMBIE)


def _legend(y: float) -> list[str]:
    parts, x = [], 20.0
    for grade in (ZOMBIE, LIE, MUTE, SETTLED, ABSENT, BROKEN):
        parts += [box(x, y - 11, 13, 13, grade), text(x + 19, y, SHORT[grade], "small ink")]
        x += 34 + 6.1 * len(SHORT[grade])
    parts += [box(x, y - 11, 13, 13, SETTLED), f'<circle cx="{x + 6.5:g}" cy="{y - 4.5:g}" r="2" class="paper"/>']
    parts.append(text(x + 19, y, "ran more than once", "small ink"))
    return parts
