"""Aligned tables that fit the terminal, coloured where that is wanted."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

GAP = "  "
_COLOURS = {
    "completed": "32", "ok": "32", "failed": "31", "broken": "31", "running": "36", "pending": "33", "warning": "33",
    "title": "2",
}  # fmt: skip


class Column(NamedTuple):
    """A column of a table.

    least     the width that it may be cut to; None: it is never cut
    spare     whether it is left out where the table would be too wide
    coloured  whether its values are words with a colour
    """

    title: str
    least: int | None = None
    spare: bool = False
    coloured: bool = False


def show(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, wrap: bool = False) -> None:
    """Print the rows under the titles within the terminal's width, if there is one; ``wrap`` cuts nothing."""
    room = terminal_width()
    widths = [
        max(cells(text) for text in texts) for texts in zip([column.title for column in columns], *rows, strict=True)
    ]
    kept = fitting(columns, widths, room)
    columns, widths = [columns[index] for index in kept], [widths[index] for index in kept]
    if room is not None:
        widths = fitted(widths, [column.least for column in columns], room - len(GAP) * (len(columns) - 1))
    print(coloured(_row([column.title for column in columns], widths, ()), "title"))
    for row in rows:
        values = [row[index] for index in kept]
        lines = _wrapped(values[-1], widths[-1]) if wrap else values[-1:]
        longest = max(widths[-1], cells(lines[0])) if wrap else widths[-1]
        print(_row([*values[:-1], lines[0]], [*widths[:-1], longest], [column.coloured for column in columns]))
        for text in lines[1:]:
            print(" " * (sum(widths[:-1]) + len(GAP) * (len(widths) - 1)) + text)


def fitting(columns: Sequence[Column], widths: Sequence[int], room: int | None) -> list[int]:
    """The indexes of the columns that fit the room even when cut: spare ones go, the last one first."""
    kept = list(range(len(columns)))
    for index in reversed(range(len(columns))):
        needed = sum(min(widths[i], columns[i].least or widths[i]) + len(GAP) for i in kept) - len(GAP)
        if columns[index].spare and room is not None and needed > room:
            kept.remove(index)
    return kept


def fitted(widths: Sequence[int], least: Sequence[int | None], room: int) -> list[int]:
    """Cut widths to the room, from the last column that may be cut to the first; what cannot be cut is left."""
    smaller = list(widths)
    for index in reversed(range(len(smaller))):
        too_much = sum(smaller) - room
        smallest = least[index]
        if too_much > 0 and smallest is not None:
            smaller[index] = max(min(smallest, smaller[index]), smaller[index] - too_much)
    return smaller


def terminal_width() -> int | None:
    """The columns of the terminal, or of COLUMNS; None where the output goes to a file or a pipe."""
    if not os.environ.get("COLUMNS", "").isdecimal() and not sys.stdout.isatty():
        return None
    return max(40, shutil.get_terminal_size().columns)


def coloured(text: str, word: str) -> str:
    """The text in the colour of a status, level or ``title``, on a terminal, and without NO_COLOR."""
    if (
        word not in _COLOURS
        or not sys.stdout.isatty()
        or os.environ.get("NO_COLOR")
        or os.environ.get("TERM") == "dumb"
    ):
        return text
    return f"\x1b[{_COLOURS[word]}m{text}\x1b[0m"


def cells(text: str) -> int:
    """How many cells of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, width: int) -> str:
    """The text in at most so many cells, with an ellipsis where something is missing."""
    if cells(text) <= width:
        return text
    kept = ""
    for character in text:
        if cells(kept + character) > width - 1:
            break
        kept += character
    return f"{kept.rstrip()}…"


def _wrapped(text: str, width: int) -> list[str]:
    # A path or an id stays whole, to be copied.
    return textwrap.wrap(text, max(20, width), break_long_words=False, break_on_hyphens=False) or [""]


def _row(values: Sequence[str], widths: Sequence[int], colour: Sequence[bool]) -> str:
    shown = []
    for index, (value, width) in enumerate(zip(values, widths, strict=True)):
        text = cut(value, width)
        padding = " " * (width - cells(text)) if index < len(widths) - 1 else ""
        shown.append((coloured(text, value.partition(" ")[0]) if colour and colour[index] else text) + padding)
    return GAP.join(shown).rstrip()
