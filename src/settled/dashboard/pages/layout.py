"""What all pages have in common: the frame, and the words for a task's state and for times."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from settled.dashboard.html import Html, Part, all_of, el, page_of
from settled.dashboard.view import View
from settled.states import Reason, Status
from settled.stores.looks import MANY
from settled.times import ago, instant_text

STATIC = {
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_NAV = (("/", "Tasks"), ("/failures", "Failures"), ("/workers", "Workers"))


@cache
def static(name: str) -> tuple[bytes, str]:
    """A static file, and a short word that changes with it."""
    text = files("settled.dashboard").joinpath(f"static/{name}").read_bytes()
    return text, hashlib.sha256(text).hexdigest()[:12]


def frame(view: View, title: str, *inside: Part, live: bool = True) -> bytes:
    """A whole page."""
    head = (
        el("meta", charset="utf-8"),
        el("title", f"{title} · settled"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="robots", content="noindex"),
        el("link", rel="icon", href=_static(view, "icon.svg"), type="image/svg+xml"),
        el("link", rel="stylesheet", href=_static(view, "dashboard.css")),
        el("script", src=_static(view, "dashboard.js"), type="module"),
    )
    body = el(
        "body",
        el("a", "Skip to the content", class_="skip", href="#content"),
        _header(view, live=live),
        el("main", *inside, id="content", class_="page", tabindex="-1"),
        _footer(view),
        _help(view),
        data_root=view.root,
    )
    return page_of(head, body)


def _header(view: View, *, live: bool) -> Html:
    links = [
        el("a", text, href=view.at(path), aria_current="page" if view.path == path else None) for path, text in _NAV
    ]
    role = None if view.writes else el("span", "read only", class_="tag")
    return el(
        "header",
        el(
            "div",
            el("a", el("span", class_="mark", aria_hidden="true"), "settled", class_="wordmark", href=view.at("/")),
            el("nav", *links, aria_label="Pages"),
            el(
                "div",
                el("span", role, el("bdi", view.access.who), class_="who"),
                el("button", "Live", type="button", class_="quiet", id="live", aria_pressed="true", hidden=True)
                if live
                else None,
                el("button", "?", type="button", class_="quiet", id="help-open", aria_label="Keys", hidden=True),
                class_="aside",
            ),
            class_="page bar",
        ),
    )


def _footer(view: View) -> Html:
    now = view.ledger.store.now()
    return el(
        "footer",
        el("p", "Instants are UTC, by the ledger’s clock. This page is as of ", moment(now, now, "full"), "."),
        class_="page",
    )


_KEYS = (
    ("j, k", "next, previous"), ("Enter", "open"), ("x", "select"), ("a", "select all, or none"), ("/", "search"),
    ("p", "pause, go on"), ("1, 2, 3", "tasks, failures, workers"), ("?", "these keys"),
    ("Esc", "close, leave a field"),
)  # fmt: skip


def _help(view: View) -> Html:
    rows = [
        (el("dt", [(el("kbd", key), " ") for key in keys.split(", ")]), el("dd", what)) for keys, what in _KEYS
    ]  # fmt: skip
    return el(
        "dialog",
        el("h2", "Keys", id="help-title"),
        el("dl", rows),
        el("label", el("input", type="checkbox", id="keys-on", checked=True), " Keys do something on these pages"),
        el("form", el("button", "Close"), method="dialog"),
        id="help",
        aria_labelledby="help-title",
    )


def _static(view: View, name: str) -> str:
    return view.at(f"/static/{name}", {"v": static(name)[1]})


# -- words

STATUS_WORDS = {
    Status.PENDING: "waiting", Status.RUNNING: "running", Status.COMPLETED: "completed", Status.FAILED: "failed",
}  # fmt: skip
REASON_WORDS = {reason: str(reason).replace("_", " ") for reason in Reason}


def chip(status: Status, reason: str | None = None) -> Html:
    """How a task stands, in a word or two and a colour."""
    said = REASON_WORDS.get(Reason(reason), reason) if reason else STATUS_WORDS[status]
    full = f"failed: {said}" if reason else None
    return el("span", said, class_="chip", data_status=status, title=full)


def moment(instant: int, now: int, how: str = "") -> Html:
    """An instant: how long ago it was, or, with ``full``, when."""
    text = instant_text(instant)
    said = f"{text[:10]} {text[11:19]}" if how == "full" and len(text) > 20 else ago(instant, now)
    return el("time", said, datetime=text, title=None if how == "full" else text)


def count_of(number: int, many: int = MANY) -> str:
    """A number that was counted up to a bound."""
    return f"{number:,}" if number <= many else f"{many:,}+"


def number_of(number: int, one: str, more: str | None = None) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def bars(counts: Sequence[int], label: str, class_: str = "bars") -> Html:
    """Counts over time as a drawing; the label says in words what it shows."""
    most = max([1, *counts])
    width, height = 4, 24
    drawn = [
        el("rect", x=index * (width + 1), y=height - tall, width=width, height=tall)
        for index, tall in enumerate(max(2, round(height * count / most)) if count else 0 for count in counts)
        if tall
    ]
    across = len(counts) * (width + 1) - 1
    base = el("path", d=f"M0 {height + 1.5}H{across}")
    return el(
        "svg", base, drawn, class_=class_, viewBox=f"0 0 {across} {height + 2}", role="img", aria_label=label,
        preserveAspectRatio="none",
    )  # fmt: skip


def notice(text: Part, kind: str = "calm") -> Html:
    """A line that stands out."""
    return el("p", text, class_="notice", data_kind=kind, role="status")


def hidden(values: Sequence[tuple[str, str]]) -> Html:
    """Values that a form sends along."""
    return all_of([el("input", type="hidden", name=name, value=value) for name, value in values])
