"""Draws figures of a run as SVG: bars on a logarithmic scale, ours in colour, on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, LABEL, ROW, TOP = 760, 250, 26, 58
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-size: 15px; font-weight: 600 }
.faint { fill: #6e7781; font-size: 12px } .bar { fill: #c9d1d9 } .ours { fill: #2da44e } .limit { fill: #ddf4ff }
.limit, .grid { stroke: #d0d7de } .spread { stroke: #57606a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .faint { fill: #8d96a0 } .bar { fill: #484f58 } .ours { fill: #3fb950 }
.limit { fill: #0c2d4a } .limit, .grid { stroke: #30363d } .spread { stroke: #8d96a0 } }
"""


class Bar(NamedTuple):
    """One side's figure: its median, least and most; ``kind`` is ``ours``, ``limit`` or nothing."""

    name: str
    median: float
    least: float
    most: float
    kind: str = ""


def bars(title: str, unit: str, sides: Sequence[Bar]) -> str:
    """A whole SVG; the longest bar is the most, and equal lengths are equal ratios."""
    low = math.floor(math.log10(min(bar.least for bar in sides if bar.least > 0)))
    high = math.log10(max(bar.most for bar in sides)) + 0.02
    scale = (WIDTH - LABEL - 90) / (high - low)

    def x(value: float) -> float:
        return LABEL + max(0.0, math.log10(max(value, 10.0**low)) - low) * scale

    height = TOP + ROW * len(sides) + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
        f'<text class="faint" x="8" y="40">{escape(unit)}</text>',
    ]
    for power in range(low, math.floor(high) + 1):
        at = x(10.0**power)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 6}" y2="{height - 10}"/>')
        parts.append(f'<text class="faint" x="{at + 3:.1f}" y="{TOP - 10}">{10**power:,}</text>')
    for number, bar in enumerate(sides):
        top = TOP + number * ROW
        middle = top + ROW / 2
        parts += [
            f'<text x="{LABEL - 10}" y="{middle + 4}" text-anchor="end">{escape(bar.name)}</text>',
            f'<rect class="bar {bar.kind}" x="{LABEL}" y="{top + 4}" width="{x(bar.median) - LABEL:.1f}" '
            f'height="{ROW - 8}" rx="3"/>',
            f'<line class="spread" x1="{x(bar.least):.1f}" x2="{x(bar.most):.1f}" y1="{middle}" y2="{middle}"/>',
            f'<text x="{x(bar.most) + 8:.1f}" y="{middle + 4}">{bar.median:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
