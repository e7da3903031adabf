"""The list of tasks, newest first, with its filter."""

from __future__ import annotations

from settled.dashboard.filters import PERIODS, STATUSES, Filter
from settled.dashboard.html import Html, Part, el
from settled.dashboard.pages.layout import (
    REASON_WORDS,
    chip,
    count_of,
    frame,
    hidden,
    moment,
    notice,
    number_of,
)
from settled.dashboard.redact import as_json
from settled.dashboard.view import View
from settled.hands import Hand
from settled.states import Status
from settled.stores.looks import BRIEFLY, Brief, Tallies
from settled.survey import Page
from settled.times import duration, instant_text

ROWS = 50
SHOWN = 160
"""Characters of arguments and messages in a row."""
_STATUS_OPTIONS = {**{name: name for name in STATUSES}, "": "any", "pending": "waiting"}
_PERIOD_WORDS = {
    "": "any time", "15m": "last 15 minutes", "1h": "last hour", "6h": "last 6 hours", "24h": "last 24 hours",
    "7d": "last 7 days",
}  # fmt: skip
HAND_WORDS = {Hand.CANCEL: "Cancel", Hand.RETRY: "Try again", Hand.DELETE: "Delete"}
DONE_WORDS = {Hand.CANCEL: "cancelled", Hand.RETRY: "submitted again", Hand.DELETE: "deleted"}


def listing(view: View) -> bytes:
    """The page."""
    asked = Filter.of(view.query)
    survey, now = view.survey, view.ledger.store.now()
    place = _place(view.query.get("place", ""))
    keep = asked.keep(view.redactor, view.ledger)
    page = survey.search(asked.wanted(now), limit=ROWS, place=place, keep=keep or (lambda brief: True))
    return frame(
        view,
        "Tasks",
        el("h1", "Tasks", class_="visually-hidden"),
        said(view),
        el("div", _tallies(view, survey.tallies()), id="tallies", data_live=True),
        _filter(view, asked, survey.durations(200).names),
        _rows(view, asked, page, now),
    )


def said(view: View) -> Part:
    """What the last action has come to, if the address says so."""
    hand, _, number = view.query.get("said", "").partition(".")
    if hand not in list(Hand) or not number.isdecimal():
        return None
    return notice(f"{number_of(int(number[:12]), 'task')} {DONE_WORDS[Hand(hand)]}.", "good")


def _place(text: str) -> str | None:
    return text if 0 < len(text) <= 300 and text.isascii() and text.isprintable() else None


def _tallies(view: View, tallies: Tallies) -> Html:
    running = "some" if tallies.running is None else f"{tallies.running:,}"
    kept = f"about {tallies.about:,}" if tallies.about is not None else count_of(tallies.kept)
    parts: tuple[tuple[str, str, dict[str, str | int], Status | None], ...] = (
        ("Waiting", count_of(tallies.pending), {"status": "pending"}, Status.PENDING),
        ("Running", running, {"status": "running"}, Status.RUNNING),
        ("Failed", count_of(tallies.failed), {"status": "failed"}, Status.FAILED),
        ("Kept", kept, {}, None),
    )
    return el(
        "ul",
        [
            el(
                "li",
                el(
                    "a",
                    el("span", word, class_="word"),
                    el("strong", number),
                    href=view.at("/", query),
                    data_status=status,
                ),
            )
            for word, number, query, status in parts
        ],
        class_="tallies",
    )


# -- the filter


def _filter(view: View, asked: Filter, names: list[str]) -> Html:
    clear = el("a", "Clear", href=view.at("/"), class_="button quiet") if asked != Filter() else None
    more = [(field, text) for field, text in (("worker", asked.worker), ("like", asked.like)) if text]
    return el(
        "form",
        _field(
            "Search", "q",
            el("input", type="search", name="q", id="q", value=asked.q, maxlength=200, autocomplete="off",
               placeholder="name, key, message, argument or id", aria_keyshortcuts="/"),
        ),
        _select("Status", "status", asked.status, _STATUS_OPTIONS),
        _select("Reason", "reason", asked.reason, {"": "any", **{str(r): words for r, words in REASON_WORDS.items()}}),
        _field("Task function", "name",
               el("input", name="name", id="name", value=asked.name, list="names", maxlength=200, autocomplete="off")),
        el("datalist", [el("option", value=name) for name in names], id="names"),
        _select("Made", "period", asked.period, {period: _PERIOD_WORDS[period] for period in PERIODS}),
        hidden(more),
        el("div", el("button", "Filter", class_="primary"), clear, class_="actions"),
        [el("p", _only(field, text), class_="only") for field, text in more],
        class_="filter", action=view.at("/"), role="search", aria_label="Tasks",
    )  # fmt: skip


def _only(field: str, text: str) -> Part:
    if field == "worker":
        return "Only tasks of worker ", el("code", text)
    return "Only failures like ", el("q", el("bdi", text))


def _field(label: str, name: str, inside: Part) -> Html:
    return el("div", el("label", label, for_=name), inside, class_="field", data_field=name)


def _select(label: str, name: str, chosen: str, options: dict[str, str]) -> Html:
    made = [
        el("option", words, value=value, selected=value == chosen) for value, words in options.items()
    ]  # fmt: skip
    return _field(label, name, el("select", made, name=name, id=name))


# -- the rows

_HEADS = ("Status", "Task", "What", "Made", "Took")


def _rows(view: View, asked: Filter, page: Page, now: int) -> Html:
    heads = [el("th", head, scope="col", role="columnheader") for head in _HEADS]
    if view.writes:
        pick_all = el("input", type="checkbox", id="pick-all", aria_label="Select all on this page", hidden=True)
        heads.insert(0, el("th", pick_all, scope="col", role="columnheader", class_="pick", aria_label="Selection"))
    table = el(
        "table",
        el("caption", _caption(page), class_="visually-hidden"),
        el("thead", el("tr", heads, role="row"), role="rowgroup"),
        el("tbody", [_row(view, brief, now) for brief in page.found], role="rowgroup", id="rows", data_live="rows"),
        role="table",
        class_="tasks",
    )
    inside: list[Part] = [table if page.found else _nothing(asked, page)]
    inside.append(el("div", _further(view, asked, page), id="further", data_live=True))
    if not view.writes:
        return el("section", inside, aria_label="Tasks")
    return el(
        "form", hidden([("csrf", view.token), *asked.query.items()]), inside, _acts(bool(page.found)),
        method="post", action=view.at("/confirm"), aria_label="Tasks", id="tasks",
    )  # fmt: skip


def _caption(page: Page) -> str:
    return f"{number_of(len(page.found), 'task')}, newest first"


def _row(view: View, brief: Brief, now: int) -> Html:
    cells = [
        el(
            "td",
            chip(brief.status, brief.reason),
            role="cell",
            class_="state",
        ),
        el("td", _task(view, brief), role="cell", class_="task"),
        el("td", _what(brief, now), role="cell", class_="what"),
        el("td", moment(brief.created_at, now), role="cell", class_="made", data_label="made"),
        el("td", _took(brief, now), role="cell", class_="took", data_label="took"),
    ]
    if view.writes:
        box = el("input", type="checkbox", name="id", value=brief.id, aria_label=_named(brief))
        cells.insert(0, el("td", el("label", box, class_="hit"), role="cell", class_="pick"))
    return el("tr", cells, role="row", id=f"t-{brief.id}", data_status=brief.status)


def _named(brief: Brief) -> str:
    return f"Select {brief.name[:SHOWN]}, {brief.id[-6:]}"


def _task(view: View, brief: Brief) -> Part:
    link = el("a", el("bdi", brief.name[:SHOWN]), href=view.at(f"/{brief.id}"), class_="name")
    key = el("span", "key ", el("bdi", brief.key[:60]), class_="key") if brief.key else None
    return link, el("span", el("bdi", _call(view, brief)), class_="call"), key


def _call(view: View, brief: Brief) -> str:
    if len(brief.arguments) == BRIEFLY["arguments"]:
        return "(long arguments)"
    return call_of(view.redactor.arguments(brief.name, brief.arguments))


def call_of(arguments: object) -> str:
    """Arguments as one writes them in a call, cut to a line."""
    if not isinstance(arguments, dict) or not {"args", "kwargs"} >= set(arguments):
        return as_json(arguments)[:SHOWN]
    args, kwargs = arguments.get("args"), arguments.get("kwargs")
    parts = [as_json(one) for one in args] if isinstance(args, list) else []
    parts += [f"{key}={as_json(one)}" for key, one in kwargs.items()] if isinstance(kwargs, dict) else []
    text = ", ".join(parts)
    return f"({text[:SHOWN]}…)" if len(text) > SHOWN else f"({text})"


def _what(brief: Brief, now: int) -> Part:
    if brief.status is Status.FAILED:
        return el("bdi", " ".join((brief.error_message or "").split())[:SHOWN])
    attempt = f"attempt {brief.attempt} of {brief.max_attempts}" if brief.attempt > 1 else None
    if brief.status is Status.COMPLETED:
        return attempt
    bar = (
        el("progress", value=f"{brief.progress:g}", max=1, aria_label="Progress")
        if brief.progress is not None
        else None
    )
    words = [el("bdi", brief.progress_message[:SHOWN])] if brief.progress_message else []
    if attempt:
        words.append(el("span", attempt))
    return bar, [(word, " ") for word in words], el("span", "settles ", moment(brief.settles_at, now), class_="soft")


def _took(brief: Brief, now: int) -> str:
    if brief.started_at is None or brief.status is Status.PENDING:
        return "–"
    end = brief.finished_at if brief.finished_at is not None else now
    return duration(max(0, end - brief.started_at))


def _nothing(asked: Filter, page: Page) -> Html:
    if not page.done:
        return el("p", "Nothing found yet.", class_="empty")
    if asked == Filter():
        return el("p", "There is no task yet. As soon as one is submitted, it is here.", class_="empty")
    return el("p", "No task matches.", class_="empty")


def _further(view: View, asked: Filter, page: Page) -> Part:
    reached = f"Searched back to {_minute(page.reached)}." if page.reached is not None else ""
    query = {**asked.query, "place": page.place}
    if page.done:
        newest = el("a", "Newest", href=view.at("/", asked.query)) if view.query.get("place") else None
        return el("p", "That is all. ", newest, class_="soft") if newest or page.found else None
    words = "Older" if len(page.found) == ROWS else "Go on searching"
    return el(
        "p",
        el("a", words, href=view.at("/", query), class_="button", rel="next"),
        el("span", reached if len(page.found) < ROWS else None, class_="soft"),
        el("a", "Newest", href=view.at("/", asked.query), class_="button quiet") if view.query.get("place") else None,
        class_="further",
    )


def _minute(instant: int) -> str:
    text = instant_text(instant)
    return f"{text[:10]} {text[11:16]}" if len(text) > 20 else text


def act_button(hand: Hand, scope: str) -> Html:
    """The button for a hand, to ``these`` tasks or to ``all`` that match."""
    kind = "danger" if hand is Hand.DELETE else None
    return el("button", HAND_WORDS[hand], name="hand", value=f"{hand}.{scope}", class_=kind)


def _acts(any_: bool) -> Html:
    def buttons(scope: str) -> list[Html]:
        return [act_button(hand, scope) for hand in Hand]

    return el(
        "div",
        el("div", el("span", "Selected", id="picked", class_="word"), buttons("these"), role="group",
           aria_label="The selected tasks", class_="acts", id="acts-these"),
        el("div", el("span", "All that match", class_="word"), buttons("all"), role="group",
           aria_label="All tasks that match the filter", class_="acts"),
        class_="actions-bar", hidden=not any_,
    )  # fmt: skip
