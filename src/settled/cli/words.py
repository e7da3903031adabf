"""Texts as a terminal may show them, and times as people type them."""

from __future__ import annotations

import argparse
import math
import re

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_TYPED = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\Z")


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


def block(text: str) -> str:
    """Text that may be shown on a terminal as it is: no control character but the end of line is left in it."""
    return "".join(c if c == "\n" or c.isprintable() else _spelt(c) for c in text.expandtabs().replace("\r\n", "\n"))


def line(text: str) -> str:
    """The same on one line."""
    return block(" ".join(text.split()))


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
