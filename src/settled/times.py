"""Times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

_STEPS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


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
