"""A task as a piece of HTML for htmx, which asks for itself again while the task is open and stops by itself.

It is answered with 200 also for an unknown task and for somebody signed out: htmx 2 leaves an error's body out and
goes on asking. Pure; everything that comes from a task is escaped.
"""

from __future__ import annotations

from html import escape

from settled.records import Snapshot
from settled.states import Status
from settled.web import wire
from settled.web.wire import Answer

_TITLES = {
    Status.PENDING: "Waiting to start", Status.RUNNING: "Working", Status.COMPLETED: "Done", Status.FAILED: "Failed",
}  # fmt: skip
_PROBLEMS = {
    401: ("denied", "No access", "You are not signed in, or no longer."),
    403: ("denied", "No access", "You are not allowed to see this task."),
    404: ("unknown", "Not found", "There is no such task, or you may not see it."),
    410: ("unknown", "Not found", "The record of this task has been deleted: tasks are kept only for a while."),
}
_DEFECT = ("unreachable", "No answer", "The server failed to answer.")


def of_task(row: Snapshot, address: str, *, public: bool = False) -> Answer:
    """The task as it stands; ``address`` is where to ask for it again."""
    parts, again = [_title(_TITLES[row.status])], ""
    if not row.settled:
        seconds = max(1, round(wire.retry_after(row)))
        again = f' hx-get="{escape(address)}" hx-trigger="every {seconds}s" hx-swap="outerHTML"'
        if row.progress is not None or row.progress_message is not None:
            value = "" if row.progress is None else f' value="{row.progress:g}"'
            parts.append(f'<progress max="1"{value} aria-label="Progress"></progress>')
            parts.append(_message(row.progress_message or ""))
    elif row.status is Status.FAILED:
        parts.append(_message(wire.message_of(row, public=public)))
    elif row.result_data is not None:
        parts.append(f"<pre>{escape(str(row.result) if isinstance(row.result, str) else row.result_data)}</pre>")
    return _page(row.status, again, "".join(parts), row)


def of_problem(status: int) -> Answer:
    """What is said instead of a task, by the status that a client of JSON would have got; it asks no more."""
    state, title, message = _PROBLEMS.get(status, _DEFECT)
    return _page(state, "", _title(title) + _message(message), None)


def _page(state: str, again: str, inside: str, row: Snapshot | None) -> Answer:
    named = f' id="task-{row.id}"' if row is not None else ""
    body = f'<div class="settled-task" data-state="{state}"{named} role="status"{again}>{inside}</div>'.encode()
    length = (b"content-length", b"%d" % len(body))
    return Answer(200, [(b"content-type", b"text/html; charset=utf-8"), length, wire.NO_SNIFFING, wire.NO_STORE], body)


def _title(text: str) -> str:
    return f"<strong>{text}</strong>"


def _message(text: str) -> str:
    return f" <span dir=auto>{escape(text)}</span>" if text else ""
