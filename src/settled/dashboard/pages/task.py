"""One task: how it stands, what happened when, and everything that it was given and has left."""

from __future__ import annotations

from collections.abc import Iterator

from settled.dashboard.html import Html, Part, el
from settled.dashboard.pages.layout import chip, frame, hidden, moment
from settled.dashboard.pages.listing import act_button, call_of, said
from settled.dashboard.redact import as_json
from settled.dashboard.view import View
from settled.hands import Hand
from settled.records import Snapshot, WorkerRow
from settled.states import Status
from settled.times import duration

SHOWN = 20_000
"""Characters of arguments, of a result and of a traceback."""


def task(view: View, task_id: str) -> bytes:
    """The page; raises what ``ledger.get`` raises."""
    row = view.ledger.get(task_id)  # whoever looks, settles
    workers = view.ledger.workers() if row.worker else []
    arguments = view.redactor.arguments(row.name, row.arguments)
    again = view.survey.retry_of(row) if row.settled else None
    return frame(
        view,
        f"{row.name}, {row.reason or row.status}",
        el("p", el("a", "Tasks", href=view.at("/")), " / ", el("code", row.id), class_="crumbs"),
        said(view),
        el("h1", el("bdi", row.name), " ", el("span", el("bdi", call_of(arguments)), class_="call")),
        el(
            "div",
            _standing(row),
            el("div", el("section", el("h2", "Timeline"), el("ol", _timeline(row), class_="timeline")),
               el("section", el("h2", "Facts"), el("dl", _facts(view, row, workers, again), class_="facts")),
               class_="beside"),
            _texts(view, row, arguments),
            id="task",
            data_live=True,
        ),
        _acts(view, row),
        live=not row.settled,
    )  # fmt: skip


def _standing(row: Snapshot) -> Html:
    parts: list[Part] = [el("p", chip(row.status, row.reason), " ", _summary(row), class_="standing")]
    if row.status is Status.FAILED:
        parts.append(el("p", el("bdi", row.error_message), class_="message"))
    if row.status is Status.RUNNING and (row.progress is not None or row.progress_message):
        value = None if row.progress is None else f"{row.progress:g}"
        parts.append(el("p", el("progress", value=value, max=1, aria_label="Progress"), " ",
                        el("bdi", row.progress_message)))  # fmt: skip
    return el("div", parts, class_="lead", data_status=row.status)


def _summary(row: Snapshot) -> Part:
    attempt = f"attempt {row.attempt} of {row.max_attempts}" if row.max_attempts > 1 and row.attempt else None
    if row.settled:
        if row.started_at is None or row.finished_at is None:
            return attempt
        ran = f"ran for {duration(max(0, row.finished_at - row.started_at))}"
        return f"{ran}, {attempt}" if attempt else ran
    return [f"{attempt}, " if attempt else "", "settles ", moment(row.settles_at, row.as_of), ", come what may"]


# -- the timeline


def _timeline(row: Snapshot) -> Iterator[Html]:
    now = row.as_of
    yield _event("Submitted", row.created_at, row, el("span", "a retry") if row.retry_of else None)
    if row.previous_error:
        yield _event(f"Attempt {max(1, row.attempt - (row.started_at is not None))} failed", None, row,
                     el("bdi", row.previous_error))  # fmt: skip
    if row.due_at - row.created_at > 1 and row.due_at:
        yield _event("Due", row.due_at, row, None)
    if row.started_at is not None and row.status is not Status.PENDING:
        waited = max(0, row.started_at - (row.due_at or row.created_at))
        which = f"Attempt {row.attempt} claimed" if row.max_attempts > 1 else "Claimed"
        yield _event(which, row.started_at, row, f"after {duration(waited)} in the queue")
    if row.finished_at is not None or row.settled:
        words = f"Settled: {row.status}" + (f", {str(row.reason).replace('_', ' ')}" if row.reason else "")
        yield _event(words, row.finished_at, row, None)
        return
    if row.status is Status.PENDING:
        yield _event("To be claimed by", row.deadline_at, row, None, ahead=row.deadline_at > now)
    else:
        yield _event("This attempt’s deadline", row.deadline_at, row, None, ahead=row.deadline_at > now)
    yield _event("Settles by", row.settles_at, row, "completed or failed, come what may", ahead=True)


def _event(words: str, instant: int | None, row: Snapshot, more: Part, *, ahead: bool = False) -> Html:
    when: Part = None
    if instant is not None:
        since = instant - row.created_at
        relative = f"+{duration(since)}" if since > 0 else None
        when = el(
            "span", moment(instant, row.as_of, "full"), relative and el("span", relative, class_="soft"), class_="when"
        )
    detail = el("span", more, class_="soft") if more else None
    return el("li", el("strong", words), when, detail, data_ahead=ahead)


# -- the facts


def _facts(view: View, row: Snapshot, workers: list[WorkerRow], again: str | None) -> list[Html]:
    facts: list[tuple[str, Part]] = [
        ("Id", el("code", row.id)),
        ("Limits", f"timeout {duration(row.timeout_ms)}, {row.max_attempts} attempt{'s' * (row.max_attempts > 1)}"),
    ]
    if row.worker:
        known = next((worker for worker in workers if worker.id == row.worker), None)
        where = f"process {known.pid} on {known.host}" if known else "gone"
        link = el("a", el("code", row.worker), href=view.at("/", {"worker": row.worker}))
        facts.append(("Worker", (link, " ", el("span", el("bdi", where), class_="soft"))))
    facts += [(title, el("bdi", text)) for title, text in (("Key", row.key), ("Owner", row.owner)) if text]
    if row.error_type:
        facts.append(("Error type", el("code", row.error_type)))
    links = (("Retry of", row.retry_of), ("Tried again as", again))
    facts += [(title, el("a", el("code", id_), href=view.at(f"/{id_}"))) for title, id_ in links if id_]
    return [el("div", el("dt", title), el("dd", value)) for title, value in facts]


def _texts(view: View, row: Snapshot, arguments: object) -> list[Html]:
    parts = [_text("Arguments", as_json(arguments, indent=2))]
    if row.result_data is not None:
        parts.append(_text("Result", as_json(view.redactor.result(row.name, row.result_data), indent=2)))
    if row.traceback:
        parts.append(_text("Traceback" if "\n" in row.traceback else "Note", row.traceback.rstrip()))
    return parts


def _text(title: str, text: str) -> Html:
    cut = f"\n… ({len(text):,} characters in all; settled show has them)" if len(text) > SHOWN else ""
    slug = title.lower()
    return el(
        "section",
        el("h2", title, id=slug),
        el("pre", el("code", text[:SHOWN] + cut), tabindex=0, role="region", aria_labelledby=slug),
        class_="text",
    )


def _acts(view: View, row: Snapshot) -> Html | None:
    if not view.writes:
        return None
    hands = [hand for hand in Hand if row.status in hand.fits and not (hand is Hand.RETRY and row.adopted)]
    buttons = [act_button(hand, "these") for hand in hands]
    return el(
        "form", hidden([("csrf", view.token), ("id", row.id)]), buttons,
        method="post", action=view.at("/confirm"), class_="acts", id="acts", data_live=True,
        aria_label="What can be done",
    )  # fmt: skip
