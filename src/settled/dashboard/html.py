"""HTML by construction: whatever is no ``Html`` is text, and is escaped; there is no other way to make a page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias


class Html(str):
    """Text that is HTML already. Only ``el`` and ``page_of`` make it; what is cut or joined from it is text again."""

    __slots__ = ()


Part: TypeAlias = str | int | Iterable["Part"] | None
"""What may stand inside an element; None is nothing, of several all."""
Attribute: TypeAlias = str | int | bool | None
"""True is an attribute without a value; False and None are none."""

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_CONTROLS = {code: 0x2400 + code for code in range(32) if code not in (9, 10, 13)} | {127: 0x2421}
"""Control characters as the signs for them: they may not stand in HTML, and whoever put one there is to be seen."""


def el(tag: str, *inside: Part, **attributes: Attribute) -> Html:
    """An element. ``class_`` is the attribute class, ``aria_label`` is aria-label."""
    named = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    if tag in _VOID:
        return Html(f"<{tag}{named}>")
    return Html(f"<{tag}{named}>{all_of(inside)}</{tag}>")


def all_of(part: Part) -> Html:
    """The HTML of a part, or of several, one behind the other."""
    if isinstance(part, Html):
        return part
    if part is None:
        return Html()
    if isinstance(part, (str, int)):
        return Html(escape(plain(str(part))))
    return Html("".join(map(all_of, part)))


def plain(text: str) -> str:
    """The text without what may not stand in a page: control characters are shown as signs."""
    return text.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")


def page_of(head: Part, body: Part) -> bytes:
    """A whole document."""
    return f'<!doctype html>\n<html lang="en">{el("head", head)}{all_of(body)}</html>\n'.encode()


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(plain(str(value)))}"'
