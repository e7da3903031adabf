"""Finds what in a value JSON cannot hold, so that an error can say where in a large one to look."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

MOST_PARTS = 50_000
"""Of a value that are looked at: an event loop may wait for it."""
DEEPEST = 1_000
"""Containers within each other; the encoder gives up there too."""
LONGEST_PLACE = 200
"""Characters of a place: its keys may be of any length."""


class Place(NamedTuple):
    """A part of a value, as a chain that leads back to the whole."""

    within: Place | None
    key: Any

    def __str__(self) -> str:
        keys: list[str] = []
        place: Place | None = self
        while place is not None:
            keys.append(f"[{place.key!r}]")
            place = place.within
        said = "".join(reversed(keys))
        return said if len(said) <= LONGEST_PLACE else f"…{said[-LONGEST_PLACE:]}"


class _Opened(NamedTuple):
    """A container of which some parts have been looked at."""

    container: Any
    place: Place | None
    left: Iterator[tuple[Any, Any]]


def misfit(value: Any, form: Callable[[Any], Any] | None = None, *, halves: bool = False) -> tuple[str, Any] | None:
    """Where in a value the first part is that JSON cannot hold, as ``['rows'][1]``, and that part.

    form    the JSON form of what JSON does not know; raises where there is none
    halves  whether half of a surrogate pair is what to look for

    The place is empty for the whole value; None if it cannot be told, as in what refers to itself. Looks in the order
    in which an encoder does. Raises what the value's own methods raise.
    """
    opened: list[_Opened] = []
    place, part = None, value
    for _ in range(MOST_PARTS):
        if isinstance(part, (str, int, float, type(None))):
            if not _fits(part, halves):
                return str(place or ""), part
        elif isinstance(part, (dict, list, tuple)):
            if len(opened) == DEEPEST or any(part is outer.container for outer in opened):
                return None
            opened.append(_Opened(part, place, iter(part.items() if isinstance(part, dict) else enumerate(part))))
        else:
            try:
                part = _no_form(part) if form is None else form(part)
            except Exception:
                return str(place or ""), part
            continue
        found = _next(opened)
        if found is None:
            return None
        place, part = found
        if not _fits(place.key, halves):
            return str(place), place.key
    return None


def _next(opened: list[_Opened]) -> tuple[Place, Any] | None:
    while opened:
        for key, part in opened[-1].left:
            return Place(opened[-1].place, key), part
        opened.pop()
    return None


def _fits(part: Any, halves: bool) -> bool:
    """Whether JSON has this piece of text or number, or can have it as a key."""
    if isinstance(part, str):
        return not (halves and any("\ud800" <= character <= "\udfff" for character in part))
    return math.isfinite(part) if isinstance(part, float) else part is None or isinstance(part, int)


def _no_form(part: Any) -> Any:
    raise TypeError(part)


def complaint(value: Any, error: object, form: Callable[[Any], Any] | None = None, *, halves: bool = False) -> str:
    """What an encoder's error says, in the words of whoever wrote the value: what does not fit, and where it is."""
    try:
        place, part = misfit(value, form, halves=halves) or ("", None)
    except Exception:  # as the encoder: a property or an iterator of the value may raise anything
        return str(error)
    why = f"{part!r} is no number of JSON" if isinstance(part, float) else str(error)
    return f"{why}, at {place}" if place else why
