"""Acting: first a page that says what will be done to how many tasks, then step by step, each a request of its own.

Nothing goes on behind a request: what a million tasks need is asked for again and again, by the page's script or by
a person, and stops when that page is left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from settled import hands
from settled.dashboard.filters import Filter
from settled.dashboard.html import Html, el
from settled.dashboard.pages.layout import chip, frame, hidden, number_of
from settled.dashboard.pages.listing import DONE_WORDS, HAND_WORDS
from settled.dashboard.view import View
from settled.errors import BadInput
from settled.hands import Hand
from settled.records import Snapshot
from settled.stores.looks import Brief
from settled.survey import COUNTED

log = logging.getLogger("settled.dashboard")

MOST_IDS = 500
STEP = 500
"""Tasks that are acted on in one commit."""
STEP_SECONDS = 1.0
"""For one request, about."""
COUNT_SECONDS = 2.0
LISTED = 10


class Order(NamedTuple):
    """What is to be done: a hand, to these tasks or to all that match; and how far it has come."""

    hand: Hand
    ids: tuple[str, ...]
    all: bool
    filter: Filter
    until: int | None = None
    """Only tasks that were made before this instant, when it was confirmed."""
    place: str | None = None
    done: int = 0
    total: int = 0

    @classmethod
    def of(cls, form: Mapping[str, Sequence[str]]) -> Order:
        """The order of a form; raises ``BadInput`` for what is none."""
        one = {name: values[-1] for name, values in form.items() if values}
        hand, _, scope = one.get("hand", "").partition(".")
        if hand not in list(Hand) or scope not in ("these", "all"):
            raise BadInput("The form does not say what to do. Go back and try again.")
        ids = tuple(dict.fromkeys(form.get("id", ())))[:MOST_IDS] if scope == "these" else ()
        return cls(
            Hand(hand), ids, scope == "all", Filter.of(one), _number(one.get("until")), one.get("place") or None,
            _number(one.get("done")) or 0, _number(one.get("total")) or 0,
        )  # fmt: skip

    @property
    def values(self) -> list[tuple[str, str]]:
        """What a form sends along to say the same."""
        said = [("hand", f"{self.hand}.{'all' if self.all else 'these'}"), ("total", str(self.total))]
        if not self.all:
            return [*said, *(("id", task_id) for task_id in self.ids)]
        said += [*self.filter.query.items(), ("done", str(self.done))]
        return [*said, ("until", str(self.until or 0)), *([("place", self.place)] if self.place else [])]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 16 else None


# -- before


def confirm(view: View, order: Order) -> bytes:
    """The page that names the count, and asks."""
    some: Sequence[Brief | Snapshot]
    if order.all:
        order, some, complete = _all_that_match(view, order)
    else:
        rows = [row for row in view.ledger.store.read(order.ids) if row.status in order.hand.fits]
        order, some, complete = order._replace(ids=tuple(row.id for row in rows), total=len(rows)), rows[:LISTED], True
    verb = HAND_WORDS[order.hand]
    if not order.total:
        return frame(view, verb, el("h1", _none(order)), _back(view, order), live=False)
    asked = _asked(order.hand, ("" if complete else "at least ") + number_of(order.total, "task"))
    return frame(
        view,
        asked,
        el("h1", f"{asked}?"),
        el("p", _meaning(order.hand), class_="lede"),
        None if complete else el("p", "There are more: counting them all would take too long. All will be "
                                 f"{DONE_WORDS[order.hand]}.", class_="notice", data_kind="bad"),
        el("ul", [_item(view, one) for one in some], class_="plain picked"),
        el("p", f"and {order.total - len(some):,} more", class_="soft") if order.total > len(some) else None,
        el(
            "form",
            hidden([("csrf", view.token), *order.values]),
            el("button", asked, class_="danger" if order.hand is Hand.DELETE else "primary"),
            el("a", "Do nothing", href=_after(view, order), class_="button quiet"),
            method="post", action=view.at("/do"), class_="acts", aria_label="Confirm",
        ),
        live=False,
    )  # fmt: skip


def _all_that_match(view: View, order: Order) -> tuple[Order, list[Brief], bool]:
    now = view.ledger.store.now()
    wanted = order.filter.narrowed(order.hand.fits, now)
    order = order._replace(until=now + 1)
    if wanted is None:
        return order, [], True
    keep = order.filter.keep(view.redactor, view.ledger)
    total, complete = view.survey.count(wanted, keep=keep, budget=COUNT_SECONDS)
    some = view.survey.search(wanted, limit=LISTED, keep=keep or (lambda brief: True)).found
    return order._replace(total=total), some, complete and total < COUNTED * 1_000


def _asked(hand: Hand, what: str) -> str:
    """``Cancel 2 tasks``, ``Try 2 tasks again``."""
    verb, _, again = HAND_WORDS[hand].partition(" ")
    return f"{verb} {what} {again}".rstrip()


def _none(order: Order) -> str:
    if order.hand is Hand.CANCEL:
        return "Nothing to cancel: what has settled never changes"
    return f"Nothing here can be {DONE_WORDS[order.hand]}: only what has settled can"


def _meaning(hand: Hand) -> str:
    return {
        Hand.CANCEL: "Each settles as failed, with the reason cancelled. What runs is told to stop; whatever it still "
        "returns is refused. Whoever waits is told.",
        Hand.RETRY: "Each is submitted again as a new task, with the same arguments and limits. The old one stays as "
        "it is. One that was submitted again before is not once more.",
        Hand.DELETE: "Their rows are gone for good: arguments, results, messages. Whoever asks for one is told that "
        "there is no such task.",
    }[hand]


def _item(view: View, one: Brief | Snapshot) -> Html:
    return el(
        "li", chip(one.status, one.reason), " ", el("a", el("bdi", one.name), href=view.at(f"/{one.id}")), " ",
        el("code", one.id, class_="soft"),
    )  # fmt: skip


def _back(view: View, order: Order) -> Html:
    return el("p", el("a", "Back", href=_after(view, order), class_="button"))


# -- doing


def act(view: View, order: Order) -> tuple[bytes, str | None]:
    """Do one step; the page that shows how far it is, or the address to go to when all is done."""
    if not order.all:
        done = _do(view, order.hand, order.ids)
        order = order._replace(done=len(done.ids))
        if len(done.made) == 1 and len(order.ids) == 1:
            return b"", view.at(f"/{done.made[0]}")
        return b"", _after(view, order, said=True)
    order, complete = _step(view, order)
    return (b"", _after(view, order, said=True)) if complete else (_progress(view, order), None)


def _step(view: View, order: Order) -> tuple[Order, bool]:
    wanted = order.filter.narrowed(order.hand.fits, order.until or 0)
    if wanted is None or not order.until:
        return order, True
    wanted = wanted._replace(until=order.until)
    keep = order.filter.keep(view.redactor, view.ledger) or (lambda brief: True)
    end = time.monotonic() + STEP_SECONDS
    while True:
        page = view.survey.search(wanted, limit=STEP, place=order.place, keep=keep)
        ids = [brief.id for brief in page.found]
        done = len(_do(view, order.hand, ids).ids) if ids else 0
        order = order._replace(place=page.place, done=order.done + done)
        if page.done:
            return order, True
        if time.monotonic() >= end:
            return order, False


def _do(view: View, hand: Hand, ids: Sequence[str]) -> hands.Done:
    who = view.access.who
    done = hands.do(view.ledger, hand, ids, f"{DONE_WORDS[hand].capitalize()} in the dashboard by {who}.")
    made = f", as {', '.join(done.made)}" if done.made else ""
    log.info("%s: %s by %s: %s%s", number_of(len(done.ids), "task"), DONE_WORDS[hand], who, ", ".join(done.ids), made)
    return done


def _progress(view: View, order: Order) -> bytes:
    verb = DONE_WORDS[order.hand]
    total = max(order.total, order.done)
    return frame(
        view,
        f"{order.done:,} {verb}",
        el("h1", f"{order.done:,} of {total:,} {verb}"),
        el("p", el("progress", value=order.done, max=total, aria_label="Progress"), class_="wide"),
        el("p", "It goes on while this page is open, and stops when you leave it.", class_="soft", data_script=True,
           hidden=True),
        el(
            "form",
            hidden([("csrf", view.token), *order.values]),
            el("button", "Go on", class_="primary", id="go-on"),
            el("a", "Stop here", href=_after(view, order, said=True), class_="button quiet", id="stop"),
            method="post", action=view.at("/do"), class_="acts", data_auto=True, aria_label="Go on",
        ),
        live=False,
    )  # fmt: skip


def _after(view: View, order: Order, *, said: bool = False) -> str:
    query: dict[str, str | int] = dict(order.filter.query)
    if said:
        query["said"] = f"{order.hand}.{order.done}"
    if not order.all and len(order.ids) == 1 and order.hand is not Hand.DELETE:
        return view.at(f"/{order.ids[0]}", {"said": query["said"]} if said else None)
    return view.at("/", query)
