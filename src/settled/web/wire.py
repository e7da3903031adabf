"""What crosses the wire, as pure functions of a record: JSON text, headers, and what a client asks for.

Left out on purpose, for the dashboard and the CLI alone: the traceback, the arguments, the
worker, the owner and the idempotency key.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, NoReturn

from settled.errors import PublicError
from settled.records import Snapshot
from settled.states import Reason, Status

Headers = list[tuple[bytes, bytes]]

LONGEST_WAIT = 30
"""Seconds that a request is held at most, whatever it prefers."""
KEPT = 7 * 86_400
"""Seconds for which a settled task's answer may be kept; it never changes."""
PUBLIC = PublicError.__name__
"""The error type of a message that the app meant for its users."""


class Answer(NamedTuple):
    """A whole HTTP answer."""

    status: int
    headers: Headers
    body: bytes = b""


# -- a task's body

json_of = json.JSONEncoder().encode
_GENERIC = {
    Reason.EXCEPTION: "The task ran into an error.",
    Reason.TIMEOUT: "The task took longer than it may, and was stopped.",
    Reason.CANCELLED: "The task was cancelled.",
    Reason.WORKER_LOST: "The process that ran the task died.",
    Reason.NEVER_STARTED: "Nothing picked the task up in time.",
    Reason.RESULT_REJECTED: "The task finished, but its result could not be stored.",
    Reason.ENQUEUE_FAILED: "The task could not be handed over to be run.",
    Reason.INTERRUPTED: "The task was cut off by a restart.",
}
_WORKERS_NAME = re.compile(r"\bprocess \d+ on \S+")


def body_of(row: Snapshot, *, public: bool = False) -> bytes:
    """The task as one JSON object; with ``public`` only the messages that the app meant for its users."""
    settled, settles_in, pause = "true", 0.0, 0.0
    if not row.settled:
        settled, settles_in, pause = "false", max(0, row.settles_at - row.as_of) / 1000, retry_after(row)
    progress = "null"
    if row.progress is not None or row.progress_message is not None:
        fraction = "null" if row.progress is None else row.progress
        progress = f'{{"fraction":{fraction},"message":{_text(row.progress_message)}}}'
    return (
        f'{{"id":{json_of(row.id)},"name":{json_of(row.name)},"status":"{row.status}","settled":{settled},'
        f'"result":{_result(row)},"error":{_error(row, public)},"progress":{progress},'
        f'"attempt":{row.attempt},"max_attempts":{row.max_attempts},'
        f'"created_at":{instant(row.created_at)},"started_at":{instant(row.started_at)},'
        f'"finished_at":{instant(row.finished_at)},"settles_at":{instant(row.settles_at)},'
        f'"settles_in":{settles_in},"retry_after":{pause}}}'
    ).encode()


def retry_after(row: Snapshot) -> float:
    """In how many seconds to ask again about an open task: soon if it is young, later if old, hardly past its bound."""
    age, left = row.as_of - row.created_at, row.settles_at - row.as_of
    return min(max(250, min(5_000, age // 5)), max(0, left) + 100) / 1000


def etag_of(row: Snapshot) -> bytes:
    """The tag of all that can change but the two durations, which change with every look."""
    if row.settled:
        return b'"%s-%x"' % (row.status.encode(), row.finished_at or 0)
    told = f"{row.progress}{row.progress_message}".encode(errors="replace")
    return b'W/"%s-%d-%x"' % (row.status.encode(), row.attempt, zlib.crc32(told))


def _result(row: Snapshot) -> str:
    if row.status is not Status.COMPLETED or row.result_data is None:
        return "null"
    # What a worker settled is ASCII JSON. What was written by hand may be anything; it must not break the object.
    return row.result_data if row.worker is not None else _as_json(row.result_data)


def _as_json(text: str) -> str:
    try:
        json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return json_of(text)
    return text


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def message_of(row: Snapshot, *, public: bool) -> str:
    """Why it failed, for a person; with ``public`` only if the app meant it for its users."""
    return message_for(row.reason or Reason.EXCEPTION, row.error_message, row.error_type, public=public)


def message_for(reason: Reason, message: str | None, kind: str | None, *, public: bool) -> str:
    """The same of a reason, a message and the type of an error."""
    message = message or _GENERIC[reason]  # a row that was failed by hand may have none
    if public and kind != PUBLIC:
        return _GENERIC[reason]
    hides = reason in (Reason.WORKER_LOST, Reason.NEVER_STARTED)
    return _WORKERS_NAME.sub("its process", message) if hides else message


def _error(row: Snapshot, public: bool) -> str:
    if row.status is not Status.FAILED:
        return "null"
    kind = None if public and row.error_type != PUBLIC else row.error_type
    message = json_of(message_of(row, public=public))
    return f'{{"reason":"{row.reason or Reason.EXCEPTION}","message":{message},"type":{_text(kind)}}}'


def _text(text: str | None) -> str:
    return "null" if text is None else json_of(text)


def instant(ms: int | None) -> str:
    """An instant for people to read (RFC 3339), as JSON."""
    return "null" if ms is None else f'"{_second(ms // 1000)}.{ms % 1000:03d}Z"'


@lru_cache(4096)  # a page asks for the same instants again and again
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def event_of(row: Snapshot, *, public: bool = False) -> bytes:
    """The task as a server-sent event, its tag as the event's id."""
    # What was written by hand may be JSON on several lines; an event's data is one.
    body = body_of(row, public=public).replace(b"\n", b" ").replace(b"\r", b" ")
    return b"id: %s\ndata: %s\n\n" % (etag_of(row), body)


# -- answers

NO_SNIFFING = (b"x-content-type-options", b"nosniff")  # a result may look like a page
JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")


def cached(*, public: bool, vary: bool) -> Headers:
    """The headers under which a settled task may be kept; ``vary``: who may see it depends on who asks."""
    scope = "public" if public else "private"
    headers = [(b"cache-control", f"{scope}, max-age={KEPT}, immutable".encode())]
    return [*headers, (b"vary", b"Authorization, Cookie")] if vary else headers


def polled(row: Snapshot, tag: bytes, cache: Headers, *, public: bool) -> Answer:
    """200 with the task as it stands."""
    body = body_of(row, public=public)
    length = (b"content-length", b"%d" % len(body))
    if row.settled:
        return Answer(200, [JSON, length, NO_SNIFFING, (b"etag", tag), *cache], body)
    return Answer(200, [JSON, length, NO_SNIFFING, (b"etag", tag), NO_STORE, wait_header(retry_after(row))], body)


def unchanged(row: Snapshot, tag: bytes, cache: Headers) -> Answer:
    """304: the client has it already."""
    if row.settled:
        return Answer(304, [(b"etag", tag), *cache])
    return Answer(304, [(b"etag", tag), NO_STORE, wait_header(retry_after(row))])


def changed(row: Snapshot, *, public: bool, location: str | None = None) -> Answer:
    """What a POST answers: 200 with the task as it stands now, or 202 with a new one and its ``location``."""
    body = body_of(row, public=public)
    headers = [JSON, (b"content-length", b"%d" % len(body)), NO_SNIFFING, NO_STORE]
    if not row.settled:
        headers.append(wait_header(retry_after(row)))
    if location is None:
        return Answer(200, headers, body)
    return Answer(202, [*headers, (b"location", location.encode("latin-1"))], body)


def wait_header(seconds: float) -> tuple[bytes, bytes]:
    """When to ask again, in whole seconds, 1 at least."""
    return b"retry-after", b"%d" % max(1, math.ceil(seconds))


# -- what a client asks for


def wait_of(prefer: bytes) -> int | None:
    """The seconds of ``Prefer: wait=N`` (RFC 7240, the first one counts), 30 at most; None if absent or malformed."""
    for preference in prefer.lower().split(b","):
        name, _, value = preference.partition(b";")[0].partition(b"=")
        if name.strip() == b"wait":
            digits = value.strip()
            if digits[:1] == digits[-1:] == b'"':
                digits = digits[1:-1]
            if not digits.isdigit():
                return None
            return min(LONGEST_WAIT, int(digits[:20]))
    return None


def matches(if_none_match: bytes, tag: bytes) -> bool:
    """Whether the client has this tag (RFC 9110, section 13.1.2: compared weakly)."""
    if if_none_match == tag:
        return True
    mine = tag.removeprefix(b"W/")
    theirs = [other.strip() for other in if_none_match.split(b",")]
    return b"*" in theirs or any(other.removeprefix(b"W/") == mine for other in theirs)
