"""Draws a soak as SVG: what settled in each minute, the strikes, memory and descriptors, on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from bench.speed.plots import STYLE

WIDTH, LEFT, RIGHT = 760, 56, 128
COLOURS = ("#2da44e", "#8250df", "#bf8700")
MARKS = {
    "killed": "#cf222e",
    "all killed": "#cf222e",
    "terminated": "#bf8700",
    "frozen": "#0969da",
    "ledger locked": "#8250df",
}
MORE = """.completed { fill: #2da44e } .failed { fill: #bf8700; opacity: .75 } path { fill: none; stroke-width: 1.6 }
@media (prefers-color-scheme: dark) { .completed { fill: #3fb950 } .failed { fill: #d29922 } }
"""
Series = Mapping[str, Sequence[tuple[float, float]]]


class Strip:
    """One of the panels: its place, and the scale of both axes."""

    def __init__(self, title: str, top: float, height: float, seconds: float, most: float) -> None:
        self.title, self.top, self.height, self.seconds, self.most = title, top, height, seconds, most or 1.0

    def x(self, at: float) -> float:
        return LEFT + at / self.seconds * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return self.top + self.height - value / self.most * self.height

    def frame(self) -> Iterator[str]:
        """The title, two lines and their values."""
        yield f'<text class="faint" x="{LEFT}" y="{self.top - 7:.0f}">{escape(self.title)}</text>'
        for value in (0.0, self.most):
            y = self.y(value)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="faint" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.0f}</text>'


def picture(run: Mapping[str, Any]) -> str:
    """A whole SVG."""
    seconds = max(60.0, run["about"]["minutes"] * 60)
    title = f"{run['about']['minutes']:g} minutes under fire on {run['about']['ledger']}: {run['rows']:,} tasks"
    body = [*_minutes(run["minutes"], seconds), *_strikes(run["strikes"], seconds)]
    for number, (name, top) in enumerate(
        (("memory of those that are never struck, MB", 318), ("their open descriptors", 448))
    ):
        series = {who: [(s[0], s[1 + number]) for s in samples] for who, samples in run["samples"].items()}
        body += _lines(name, top, series, seconds)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 570" role="img">',
            f"<title>{escape(title)}</title><style>{STYLE}{MORE}</style>",
            f'<text class="title" x="8" y="20">{escape(title)}</text>', *body, *_axis(seconds), "</svg>", "",
        ]
    )  # fmt: skip


def _minutes(minutes: Sequence[Mapping[str, float]], seconds: float) -> Iterator[str]:
    """Bars of what settled since the look before."""
    bars, before, began = [], {"completed": 0.0, "failed": 0.0}, 0.0
    for minute in minutes:
        all_ = sum(value for key, value in minute.items() if key not in ("at", "open", "load"))
        now = {"completed": minute.get("completed", 0), "failed": all_ - minute.get("completed", 0)}
        share = 60 / max(1.0, minute["at"] - began)
        bars.append((began, minute["at"], {key: (now[key] - before[key]) * share for key in now}))
        before, began = now, minute["at"]
    strip = Strip(
        "settled in a minute: completed, and failed with a reason",
        66,
        120,
        seconds,
        max((sum(b[2].values()) for b in bars), default=1),
    )
    yield from strip.frame()
    for start, end, counts in bars:
        floor = 0.0
        for kind in ("completed", "failed"):
            y, height = strip.y(floor + counts[kind]), strip.y(floor) - strip.y(floor + counts[kind])
            width = strip.x(end) - strip.x(start) - 1
            place = f'x="{strip.x(start):.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
            yield f'<rect class="{kind}" {place}/>'
            floor += counts[kind]


def _strikes(strikes: Sequence[Mapping[str, Any]], seconds: float) -> Iterator[str]:
    """A row of marks for each kind."""
    kinds = [kind for kind in MARKS if any(strike["what"] == kind for strike in strikes)]
    for number, kind in enumerate(kinds):
        y = 204 + number * 18
        yield f'<text class="faint" x="{WIDTH - RIGHT + 8}" y="{y + 9}">{kind}</text>'
        for strike in strikes:
            if strike["what"] == kind:
                x = Strip("", 0, 1, seconds, 1).x(strike["at"])
                yield f'<rect x="{x - 1:.1f}" y="{y}" width="2.4" height="12" rx="1" fill="{MARKS[kind]}"/>'


def _lines(title: str, top: float, series: Series, seconds: float) -> Iterator[str]:
    most = max((value for points in series.values() for _, value in points), default=1)
    strip = Strip(title, top, 90, seconds, most)
    yield from strip.frame()
    for colour, points in zip(COLOURS, series.values(), strict=False):
        path = " L".join(f"{strip.x(at):.1f} {strip.y(value):.1f}" for at, value in points)
        yield f'<path d="M{path}" stroke="{colour}"/>'
    labels = sorted((strip.y(p[-1][1]), c, name) for c, (name, p) in zip(COLOURS, series.items(), strict=False) if p)
    low = 0.0
    for y, colour, name in labels:
        low = max(y + 4, low + 14)  # one below the other
        yield f'<text x="{WIDTH - RIGHT + 8}" y="{low:.1f}" style="fill:{colour}">{escape(name)}</text>'


def _axis(seconds: float) -> Iterator[str]:
    step = next(step for step in (1, 5, 10, 15, 30, 60, 120, 360, 1440) if seconds / 60 / step <= 8)
    for minute in range(0, int(seconds / 60) + 1, step):
        x = Strip("", 0, 1, seconds, 1).x(minute * 60)
        yield f'<text class="faint" x="{x:.1f}" y="560" text-anchor="middle">{minute} min</text>'
