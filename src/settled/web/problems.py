"""Problem documents (RFC 9457): what a client is told when it gets no task, and no word more."""

from __future__ import annotations

from collections.abc import Iterable

from settled.errors import (
    BadArguments,
    BadInput,
    BadKey,
    BadLedgerUrl,
    BadTaskFunction,
    BadTaskId,
    KeyConflict,
    LedgerUnavailable,
    NotAllowed,
    SettledError,
    TaskNotFound,
    TaskPruned,
    UnknownTaskName,
)
from settled.web.wire import NO_SNIFFING, NO_STORE, Answer, Headers, json_of, wait_header

_PROBLEM = (b"content-type", b"application/problem+json")


class NotSignedIn(SettledError):
    """``authorize`` raises it when nobody is signed in: 401, with ``challenge`` as ``WWW-Authenticate`` if given."""

    code = "not-signed-in"

    def __init__(self, message: str = "Sign in, then ask again.", *, challenge: str | None = None) -> None:
        super().__init__(message)
        self.challenge = challenge


class CrossSite(SettledError):
    """A page of another site asked for a change."""

    code = "cross-site"


_AWAY = "The database of the tasks cannot be reached just now. Nothing was half done. Ask again in a few seconds."
_DEFECT = (500, "Something went wrong", "The server failed to answer; its log says why.")
# Status, title, and the detail, where the error's own message is not for everybody: it may name paths, ids, functions.
_PROBLEMS: dict[type[SettledError], tuple[int, str, str | None]] = {
    SettledError: _DEFECT,
    BadLedgerUrl: _DEFECT,  # the app's mistakes, not the client's
    BadTaskFunction: _DEFECT,
    BadInput: (422, "Unusable input", None),
    BadArguments: (422, "Unusable arguments", None),
    BadKey: (422, "No such key", None),
    KeyConflict: (
        422,
        "Idempotency key used before",
        "This idempotency key was used before, with other arguments. Nothing was submitted; use a new key.",
    ),
    UnknownTaskName: (422, "Unknown task name", "No task function has this name here. Nothing was submitted."),
    BadTaskId: (404, "No such task", "This is no task id: a part of it may be missing."),
    TaskNotFound: (404, "No such task", "No task has this id, or you may not see it."),
    TaskPruned: (
        410,
        "The task is gone",
        "Tasks are kept only for a while after their end; this one has been deleted.",
    ),
    NotAllowed: (409, "Not possible now", None),
    NotSignedIn: (401, "Not signed in", None),
    CrossSite: (403, "Not allowed from another site", "A page of another site may not change a task."),
    LedgerUnavailable: (503, "Not available now", _AWAY),
}


def problem_of(error: SettledError) -> Answer:
    """The problem document that says of an error what a client may know; 500 for what is the app's own fault."""
    kind = next(kind for kind in type(error).__mro__ if kind in _PROBLEMS)
    status, title, detail = _PROBLEMS[kind]
    more: Headers = []
    if isinstance(error, LedgerUnavailable):
        more = [wait_header(error.retry_after)]
    elif isinstance(error, NotSignedIn) and error.challenge:
        more = [(b"www-authenticate", error.challenge.encode("latin-1", "replace"))]
    return problem(status, SettledError.code if status == 500 else error.code, title, detail or str(error), more)


def problem(status: int, code: str, title: str, detail: str, more: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """A problem document of the type ``urn:settled:<code>``."""
    body = json_of({"type": f"urn:settled:{code}", "title": title, "status": status, "detail": detail}).encode()
    return Answer(status, [_PROBLEM, (b"content-length", b"%d" % len(body)), NO_SNIFFING, NO_STORE, *more], body)
