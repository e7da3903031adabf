"""The times as a picture: a point for each cell that ended, when the page knew; at the edge those that did not."""

from __future__ import annotations

from collections import Counter

from bench.zombies.grading import ZOMBIE
from bench.zombies.report.look import box, picture, text
from bench.zombies.report.tally import Row, Tally

LEFT, TOP, PLOT, ROW, EDGE = 214, 92, 640, 26, 150
LAST = 60.0
MARKS = (0, 10, 20, 30, 40, 50, 60)
LEAST, MOST = 1.6, 9.0
"""Radius, in pixels, of one cell, and of the most that are drawn as one."""


def times(tally: Tally) -> str:
    width, height = LEFT + PLOT + EDGE, TOP + ROW * len(tally.rows) + 50
    limit = max((run["limit"] for run in tally.results["runs"]), default=10)
    said = (
        "Seconds from the answer to the submit, one point for each fault (larger: several). "
        f"Tasks may take {limit} s where a system can be told."
    )
    parts = [text(20, 32, "When the page knew", "large ink"), text(20, 52, said, "faint")]
    for mark in MARKS:
        x = _x(mark)
        parts.append(box(x - 0.5, TOP - 12, 1, ROW * len(tally.rows) + 14, "line", radius=0))
        parts.append(text(x, TOP + ROW * len(tally.rows) + 20, f"{mark} s", "small faint", "middle"))
    parts.append(text(LEFT + PLOT + 40, TOP + ROW * len(tally.rows) + 20, "never", "small faint"))
    for number, row in enumerate(tally.rows):
        parts += _row(row, TOP + number * ROW + ROW / 2 - 6)
    return picture(width, height, "Seconds until a waiting page knew, by system", parts)


def _x(seconds: float) -> float:
    return LEFT + PLOT * min(seconds, LAST) / LAST


def _row(row: Row, y: float) -> list[str]:
    parts = [text(LEFT - 14, y + 4, row.title, "bold ink" if row.ours else "ink", "end")]
    points: Counter[tuple[float, str]] = Counter()
    for cell in row.cells.values():
        if cell.get("seconds") is not None:
            points[round(cell["seconds"] * 2) / 2, cell["grade"]] += 1
    for (seconds, grade), many in sorted(points.items(), key=lambda point: -point[1]):
        radius = min(MOST, LEAST + many**0.5)
        parts.append(f'<circle cx="{_x(seconds):g}" cy="{y:g}" r="{radius:.1f}" class="{grade}" opacity="0.85"/>')
    zombies = row.counts[ZOMBIE]
    if zombies:
        parts.append(
            f'<circle cx="{LEFT + PLOT + 26:g}" cy="{y:g}" r="{min(MOST, LEAST + zombies**0.5):.1f}" class="zombie"/>'
        )
        parts.append(text(LEFT + PLOT + 42, y + 4, str(zombies), "ink"))
    return parts
