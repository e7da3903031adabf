"""Turns figures into Markdown: medians with the least and the most of the rounds; ratios round by round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.speed.rounds import Comparison, Spread

Show = Callable[[float], str]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, aligned for the terminal too."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    lines = [_line(heads, widths), _line(["-" * width for width in widths], widths)]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def figure(comparison: Comparison, side: str, key: str, show: Show) -> str:
    """``median (least – most)``."""
    found = spread_of(comparison, side, key)
    if found is None:
        return "not measured" if isinstance(comparison.get(side), str) else "–"
    return f"{show(found.median)} ({show(found.least)} – {show(found.most)})"


def reasons(comparisons: Iterable[Comparison]) -> str:
    """Why sides have no figures, each reason once."""
    found = {f"- {name}: {why}" for sides in comparisons for name, why in sides.items() if isinstance(why, str)}
    return "\n".join(sorted(found))


def spread_of(comparison: Comparison, side: str, key: str) -> Spread | None:
    """One figure of one side, ``None`` where it was not measured."""
    figures = comparison.get(side)
    return figures.get(key) if isinstance(figures, Mapping) else None


def median(comparison: Comparison, side: str, key: str) -> float | None:
    """The middle of one figure of one side."""
    found = spread_of(comparison, side, key)
    return None if found is None else found.median


def ratio(comparison: Comparison, side: str, base: str, key: str) -> float | None:
    """The middle of what ``side`` was times ``base``, round by round: neighbours in time share the machine's mood."""
    over, under = spread_of(comparison, side, key), spread_of(comparison, base, key)
    if over is None or under is None or not all(under.rounds):
        return None
    return statistics.median(one / other for one, other in zip(over.rounds, under.rounds, strict=True))


def times(value: float | None) -> str:
    """A ratio as people read it."""
    return "–" if value is None else f"{value:.2f} ×" if value < 10 else f"{value:.0f} ×"


def whole(value: float) -> str:
    """A count, with thousands apart."""
    return f"{value:,.0f}"


def short(value: float) -> str:
    """Three significant digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
