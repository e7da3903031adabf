"""Times and texts as people read them, and times as people type them."""

from __future__ import annotations

import argparse
import math
import re
from datetime import UTC, datetime

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_TYPED = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\Z")
_STEPS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


def seconds_of(text: str) -> float:
    """Parse ``90``, ``1.5h``, ``500ms`` or ``7d`` as seconds, for argparse."""
    found = _TYPED.match(text.strip().lower())
    if not found or found[2] not in _UNITS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration: write seconds, or a number with ms, s, m, h, d or w, as in 7d"
        )
    seconds = float(found[1]) * _UNITS[found[2]]
    if not math.isfinite(seconds) or seconds > 1e10:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than three centuries")
    return seconds


def whole_above_zero(text: str) -> int:
    """Parse a count, for argparse."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def duration(milliseconds: float) -> str:
    """A length of time in its one or two largest units: ``12 ms``, ``3.4 s``, ``2 h 5 min``."""
    seconds = milliseconds / 1000
    if seconds < 0.9995:
        return f"{round(milliseconds)} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, small_unit in _STEPS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {small_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def ago(instant: int, now: int) -> str:
    """How long ago, or in how long, in one unit: ``3 s ago``, ``in 2 min``."""
    distance = abs(now - instant) // 1000
    if distance < 1:
        return "now"
    size, unit = next(((size, unit) for size, unit, _, _ in _STEPS if distance >= size), (1, "s"))
    said = f"{distance // size} {unit}"
    return f"{said} ago" if instant <= now else f"in {said}"


def instant_text(milliseconds: int) -> str:
    """An instant in RFC 3339, UTC, to the millisecond; the number where a row written by hand is in no calendar."""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def block(text: str) -> str:
    """Text that may be shown on a terminal as it is: no control character but the end of line is left in it."""
    return "".join(c if c == "\n" or c.isprintable() else _spelt(c) for c in text.expandtabs().replace("\r\n", "\n"))


def line(text: str) -> str:
    """The same on one line."""
    return block(" ".join(text.split()))


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
