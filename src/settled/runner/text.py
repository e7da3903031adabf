"""Makes any text storable and safe to show: no NUL, no lone surrogate, no credentials, not too long."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CREDENTIALS = (  # each is linear in the text: an exception may carry megabytes that a stranger chose
    (re.compile(r"(://)[^/?#\s]*@"), r"\1***@"),
    (re.compile(r"\b(bearer|basic)\s+(?=(?-i:[^\sA-Z0-9=]*[A-Z0-9=]))[a-z0-9._~+/=-]{6,}", re.IGNORECASE), r"\1 ***"),
    (
        re.compile(
            r"((?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key)['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,;]+",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
)


def storable(text: str) -> str:
    """Replace what a database or UTF-8 refuses by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def shown(text: str, limit: int) -> str:
    """Make a text storable, strip credentials, and cut it to about ``limit`` characters, saying so."""
    cut = storable(text[: 2 * limit])
    for pattern, replacement in _CREDENTIALS:
        cut = pattern.sub(replacement, cut)
    if len(text) <= limit and len(cut) <= limit:
        return cut
    return f"{cut[:limit]} … ({len(text):,} characters in all)"


def kind_of(value: object) -> str:
    """The type of a value, in words: a list, an object."""
    name = storable(type(value).__name__)
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
