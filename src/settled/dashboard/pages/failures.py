"""Why tasks fail: grouped by reason and by what their messages have in common, with counts over time."""

from __future__ import annotations

from settled.dashboard.filters import Filter
from settled.dashboard.html import Html, Part, el
from settled.dashboard.pages.layout import REASON_WORDS, bars, chip, frame, moment, number_of
from settled.dashboard.view import View
from settled.states import Status
from settled.survey import FAILURES, Failures, Group
from settled.times import ago

WINDOWS = {
    "1h": (3_600, "hour", "5 minutes"),
    "24h": (86_400, "24 hours", "an hour"),
    "7d": (604_800, "7 days", "7 hours"),
}
"""By name: seconds, in words, and how long one of ``PARTS`` is."""
PARTS = {"1h": 12, "24h": 24, "7d": 24}
USUAL = "24h"
SHOWN = 100
"""Groups on the page."""


def failures(view: View) -> bytes:
    """The page."""
    chosen = view.query.get("window", USUAL)
    chosen = chosen if chosen in WINDOWS else USUAL
    found = view.survey.failures(WINDOWS[chosen][0] * 1000, PARTS[chosen])
    return frame(
        view,
        "Failures",
        el("h1", "Failures"),
        el("nav", [_window(view, name, chosen) for name in WINDOWS], class_="choice", aria_label="Window of time"),
        el("div", _overall(found, chosen), _groups(view, found, chosen), id="failures", data_live=True),
    )


def _window(view: View, name: str, chosen: str) -> Html:
    return el(
        "a", f"Last {WINDOWS[name][1]}", href=view.at("/failures", {"window": name}),
        aria_current="true" if name == chosen else None,
    )  # fmt: skip


def _overall(found: Failures, chosen: str) -> Part:
    _, words, part = WINDOWS[chosen]
    if not found.total:
        return el("p", f"Nothing failed in the last {words}.", class_="empty")
    at_least = "" if found.complete else f" at least: only the newest {FAILURES:,} failures were looked at"
    most = max(found.per_part)
    return el(
        "section",
        el("p", el("strong", number_of(found.total, "task")), f" failed in the last {words}{at_least}.", class_="lede"),
        bars(found.per_part, f"Failures over the last {words}, at most {most:,} in {part}", "bars wide"),
        el(
            "p",
            el("span", f"{words} ago" if words[0].isdigit() else "an hour ago"),
            el("span", f"each bar is {part}, the highest {most:,}"),
            el("span", "now"),
            class_="soft ends",
        ),
        class_="overall",
    )


def _groups(view: View, found: Failures, chosen: str) -> Part:
    return (
        el("ol", [_group(view, group, found, chosen) for group in found.groups[:SHOWN]], class_="groups")
        if found.groups
        else None
    )


def _group(view: View, group: Group, found: Failures, chosen: str) -> Html:
    like = Filter(status="failed", reason=str(group.reason), like=group.likeness)
    names = ", ".join(group.names[:5]) + (f" and {len(group.names) - 5} more" if len(group.names) > 5 else "")
    message = el("bdi", group.message[:300] or "(no message)")
    label = f"{group.total:,} over the last {WINDOWS[chosen][1]}, the newest {ago(group.newest_at, found.until)}"
    return el(
        "li",
        el("div", chip(Status.FAILED, group.reason), el("strong", f"{group.total:,}", class_="number"), class_="state"),
        el(
            "div",
            el("p", el("a", message, href=view.at("/", like.query)), class_="message"),
            el("p", el("bdi", names), ", newest ", el("a", moment(group.newest_at, found.until),
               href=view.at(f"/{group.newest_id}")), class_="soft"),
            class_="words",
        ),
        bars(group.per_part, label),
        aria_label=f"{REASON_WORDS[group.reason]}, {group.total:,}",
    )  # fmt: skip
