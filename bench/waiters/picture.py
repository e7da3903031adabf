"""The table as a picture: SVG that follows the reader's light or dark, each cell with a mark and a title."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

LEFT, TOP, WIDE, HIGH, FOOT = 236, 178, 31, 21, 84
STYLE = """
svg { color-scheme: light dark; font: 12px system-ui, sans-serif; background: #fff }
text { fill: #1d2733 } .dim { fill: #66727f } .b { font-weight: 600 } .m { text-anchor: middle; font-weight: 600 }
.true { fill: #d5efdc } .vague { fill: #fbf0c3 } .asks { fill: #fbdcb0 } .false { fill: #e5d3f4 }
.hung { fill: #f5b9b4 }
.absent { fill: #eef0f3 } line { stroke: #d9dee4 }
@media (prefers-color-scheme: dark) {
  svg { background: #14181d } text { fill: #e4e8ec } .dim { fill: #93a0ad } line { stroke: #333b44 }
  .true { fill: #1d4a2c } .vague { fill: #574a14 } .asks { fill: #6b4413 } .false { fill: #4b3263 }
  .hung { fill: #7a2722 }
  .absent { fill: #22282f }
}
"""
CLASSES = {"asks on": "asks"}


def drawn(told: Mapping[str, Any]) -> str:
    """The picture of what ``waiters.json`` holds."""
    clients, rows, grades = told["clients"], told["rows"], told["grades"]
    cells = {(cell["client"], cell["row"]): cell for cell in told["cells"]}
    width, height = LEFT + WIDE * len(clients) + 110, TOP + HIGH * len(rows) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="Does a waiting client ever hang? Each client at each row">',
        f"<style>{STYLE}</style>",
    ]
    for n, client in enumerate(clients):
        x, y = LEFT + WIDE * n + 19, TOP - 10
        name = f'<text class="{"b" if client["ours"] else ""}" transform="translate({x} {y}) rotate(-52)">'
        parts.append(f"{name}{escape(client['title'])}</text>")
    for m, row in enumerate(rows):
        y = TOP + HIGH * m
        if m and rows[m - 1]["group"] != row["group"]:
            parts.append(f'<line x1="8" x2="{LEFT + WIDE * len(clients)}" y1="{y - 0.5}" y2="{y - 0.5}"/>')
        parts.append(f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(row["name"])}</text>')
        for n, client in enumerate(clients):
            cell = cells[client["key"], row["name"]]
            grade, x = cell["grade"], LEFT + WIDE * n
            title = escape(f"{client['title']}, {row['name']}: {grade}; {cell['end'] or cell['message']}")
            parts.append(
                f'<g><title>{title}</title><rect class="{CLASSES.get(grade, grade)}" x="{x + 1}" y="{y + 1}" '
                f'width="{WIDE - 2}" height="{HIGH - 2}" rx="4"/><text class="m" x="{x + WIDE / 2}" y="{y + 15}">'
                f"{grades[grade]['mark']}</text></g>"
            )
    x = 16
    for n, (grade, about) in enumerate(item for item in grades.items() if item[0] != "absent"):
        x, y = 16 + (n % 2) * 400, height - FOOT + 24 + 21 * (n // 2)
        parts.append(
            f'<rect class="{CLASSES.get(grade, grade)}" x="{x}" y="{y - 13}" width="24" height="17" rx="4"/>'
            f'<text class="m" x="{x + 12}" y="{y}">{about["mark"]}</text>'
            f'<text class="dim" x="{x + 32}" y="{y}">{escape(SHORT[grade])}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


SHORT = {
    "true": "ended, and told the truth",
    "vague": "ended with an error that does not say whose",
    "asks on": "shows an end, and asks on for ever",
    "false": "ended, and told what is not the case",
    "hung": "still waits, three times as long as the task can take",
}
