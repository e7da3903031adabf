"""Is anyone alive: the workers, what they run, what waits for them, and how long things take."""

from __future__ import annotations

import json

from settled.dashboard.html import Html, Part, el
from settled.dashboard.pages.layout import count_of, frame, moment, notice, number_of
from settled.dashboard.view import View
from settled.records import WorkerRow
from settled.stores.looks import MANY
from settled.survey import Durations, Spread, Standing
from settled.times import duration

_UNKNOWN = el("span", "no worker knows it", class_="chip", data_status="failed")


def workers(view: View) -> bytes:
    """The page."""
    survey = view.survey
    standing = survey.standing()
    return frame(
        view,
        "Workers",
        el("h1", "Workers"),
        el(
            "div",
            _alive(standing),
            _workers(view, standing),
            _waiting(view, standing),
            _times(survey.durations()),
            id="workers",
            data_live=True,
        ),
    )


def _alive(standing: Standing) -> Html:
    alive, waiting = len(standing.alive), sum(group.tasks for group in standing.waiting)
    waits = f"{count_of(waiting, MANY - 1)} due {'task waits' if waiting == 1 else 'tasks wait'}"
    if alive:
        said = f"{number_of(alive, 'worker is', 'workers are')} alive."
        orphaned = [group.name for group in standing.waiting if not standing.known(group.name)]
        if orphaned:
            return notice((said, " None of them knows ", el("bdi", ", ".join(orphaned[:5])), ", which waits."), "bad")
        return notice(f"{said} {waits + '.' if waiting else 'Nothing is due.'}", "good")
    if waiting:
        return notice(f"Nobody is alive, and {waits}. Start a worker, or the application that runs them.", "bad")
    return notice("Nobody is alive. Nothing is due either; a task that is submitted now would wait.", "calm")


# -- who


def _workers(view: View, standing: Standing) -> Part:
    if not standing.workers:
        return None
    heads = ("Worker", "Alive", "Runs", "Knows", "Since")
    return el(
        "table",
        el("caption", "Workers", class_="visually-hidden"),
        el("thead", el("tr", [el("th", head, scope="col", role="columnheader") for head in heads], role="row"),
           role="rowgroup"),
        el("tbody", [_worker(view, worker, standing) for worker in standing.workers], role="rowgroup"),
        role="table",
        class_="workers",
    )  # fmt: skip


def _worker(view: View, worker: WorkerRow, standing: Standing) -> Html:
    running = standing.running.get(worker.id, 0)
    link: Part = el("a", number_of(running, "task"), href=view.at("/", {"worker": worker.id, "status": "running"}))
    names = _names(worker)
    knows = el("bdi", ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else ""))
    cells: tuple[Part, ...] = (
        (el("bdi", worker.host), f", process {worker.pid}", worker.engine and (", ", el("bdi", worker.engine))),
        _life(worker),
        link if running else "nothing",
        knows if names else el("span", "only answers", class_="soft"),
        moment(worker.started_at, worker.as_of),
    )
    labels = ("", "", "runs", "knows", "since")
    return el(
        "tr",
        [el("td", cell, role="cell", data_label=label or None) for cell, label in zip(cells, labels, strict=True)],
        role="row",
        id=f"w-{worker.id}",
    )


def _life(worker: WorkerRow) -> Part:
    if worker.lost_at is not None:
        return el("span", "lost", class_="chip", data_status="failed"), " ", moment(worker.lost_at, worker.as_of)
    heard = ("heard ", moment(worker.heard_at, worker.as_of))
    if not worker.alive:
        return el("span", "silent", class_="chip", data_status="pending"), " ", heard
    return el("span", "alive", class_="chip", data_status="completed"), " ", heard


def _names(worker: WorkerRow) -> list[str]:
    try:
        found = json.loads(worker.names)
    except ValueError:
        return []
    return [str(name) for name in found] if isinstance(found, list) else []


# -- what waits


def _waiting(view: View, standing: Standing) -> Part:
    if not standing.waiting:
        return None
    items = [
        el(
            "li",
            el("a", el("bdi", group.name), href=view.at("/", {"status": "pending", "name": group.name})),
            f" {count_of(group.tasks, MANY - 1)}, the oldest due ",
            moment(group.due_at, standing.now),
            None if standing.known(group.name) else _UNKNOWN,
        )
        for group in standing.waiting[:50]
    ]
    return el("section", el("h2", "Waiting to be picked up"), el("ul", items, class_="plain"))


# -- how long


def _times(found: Durations) -> Part:
    if not found.tasks:
        return None
    rows = (
        ("In the queue", "from due to claimed", found.wait),
        ("Running", "the last attempt", found.run),
        ("Settled after its deadline", "what timed out or never started", found.overdue),
        ("Settled after its worker’s last sign of life", "what was lost", found.lost),
    )
    heads = ("", "half within", "95 % within", "99 % within", "tasks")
    return el(
        "section",
        el("h2", "How long things take"),
        el("p", f"Over the newest {number_of(found.tasks, 'settled task')}.", class_="soft"),
        el(
            "table",
            el("caption", "Percentiles", class_="visually-hidden"),
            el("thead", el("tr", [el("th", head, scope="col") if head else el("td") for head in heads])),
            el("tbody", [_spread(title, what, spread) for title, what, spread in rows]),
            class_="times",
        ),
    )


def _spread(title: str, what: str, spread: Spread | None) -> Html:
    cells = ["–", "–", "–", "0"]
    if spread is not None:
        cells = [*map(duration, (spread.p50, spread.p95, spread.p99)), f"{spread.tasks:,}"]
    head = el("th", title, " ", el("span", what, class_="soft"), scope="row")
    return el("tr", head, [el("td", cell) for cell in cells])
