"""The latest value of a key as it crosses the wire: JSON text and headers, as pure functions of records."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from settled.latest import LastError, Latest
from settled.records import Former
from settled.states import Reason, Status
from settled.web import wire
from settled.web.wire import Answer, json_of


class Refused(NamedTuple):
    """One of many that were asked for, of which nothing can be told: the text, and the problem that one alone gets."""

    asked: str
    problem: bytes


Item = Latest | Refused
UNKNOWN = "Nothing is known of this key, and no refresh of it is under way."


def body_of(latest: Latest, *, public: bool = False, history: Sequence[Former] | None = None) -> bytes:
    """The key as one JSON object, which is a task too, so that whoever can wait for a task can wait for a key.

    With ``public`` only the messages that the app meant for its users.
    """
    return f"{{{_fields(latest, public)},{_as_task(latest, public)}{_history(history)}}}".encode()


def _fields(latest: Latest, public: bool) -> str:
    age = "null" if latest.age is None else latest.age
    task = "null" if latest.task_id is None else json_of(latest.task_id)
    return (
        f'"name":{json_of(latest.name)},"key":{json_of(latest.key)},"found":{_truth(latest.found)},'
        f'"value":{latest.text or "null"},"got_at":{wire.instant(latest.got_at)},"age":{age},'
        f'"stale":{_truth(latest.stale)},"last_error":{_error(latest, public)},"failures":{latest.failures},'
        f'"retry_in":{latest.retry_in},"refreshing":{_truth(latest.refreshing)},"task":{task},'
        f'"settles_in":{latest.settles_in},"settled":{_truth(latest.settled)},"retry_after":{retry_after(latest)}'
    )


def _as_task(latest: Latest, public: bool) -> str:
    """The rest of what a wait for a task reads: a value is a result, though the newest refresh may have failed."""
    if latest.refreshing:
        return f'"status":"{Status.RUNNING}","result":null,"error":null'
    if latest.found:
        return f'"status":"{Status.COMPLETED}","result":{latest.text or "null"},"error":null'
    why = f'{{"reason":"{Reason.NEVER_STARTED}","message":{json_of(UNKNOWN)},"type":null}}'
    if latest.last_error is not None:
        why = f"{{{_why(latest.last_error, public)}}}"
    return f'"status":"{Status.FAILED}","result":null,"error":{why}'


def bodies_of(items: Sequence[Item], *, public: bool = False) -> bytes:
    """Many, in the order asked, and what holds of all of them."""
    told = ",".join([_refused(i) if isinstance(i, Refused) else f"{{{_fields(i, public)}}}" for i in items])
    open_ = under_way(items)
    settles_in = max((latest.settles_in for latest in open_), default=0.0)
    pause = min((retry_after(latest) for latest in open_), default=0.0)
    return (
        f'{{"items":[{told}],"settled":{_truth(not open_)},"settles_in":{settles_in},"retry_after":{pause}}}'
    ).encode()


def under_way(items: Sequence[Item]) -> list[Latest]:
    """Those whose refresh has not settled."""
    return [item for item in items if isinstance(item, Latest) and item.refreshing]


def retry_after(latest: Latest) -> float:
    """In how many seconds to ask again while a refresh is under way: soon if it is young; 0 once it has settled."""
    if latest.settled:
        return 0.0
    return round(min(max(0.25, min(5.0, latest.started_ago / 5)), latest.settles_in + 0.1), 3)


def etag_of(items: Sequence[Item]) -> bytes:
    """The tag of all that can change but the durations, which change with every look."""
    return b'W/"%x-%x"' % (len(items), zlib.crc32("\n".join([_told(item) for item in items]).encode(errors="replace")))


def polled(body: bytes, tag: bytes, pause: float) -> Answer:
    """200 with what is known; a cache must ask again, since it may change at any time."""
    headers = [wire.JSON, (b"content-length", b"%d" % len(body)), wire.NO_SNIFFING, (b"etag", tag)]
    return Answer(200, headers + _kept(pause), body)


def unchanged(tag: bytes, pause: float) -> Answer:
    """304: the client has it already."""
    return Answer(304, [(b"etag", tag), *_kept(pause)])


def _kept(pause: float) -> wire.Headers:
    return [wire.NO_STORE, wire.wait_header(pause)] if pause else [(b"cache-control", b"private, no-cache")]


def _told(item: Item) -> str:
    if isinstance(item, Refused):
        return item.asked
    at = item.last_error.at if item.last_error else 0
    return f"{item.key}|{item.got_at}|{at}|{item.failures}|{item.task_id}|{item.refreshing}|{item.stale}|{item.found}"


def _error(latest: Latest, public: bool) -> str:
    error = latest.last_error
    return "null" if error is None else f'{{{_why(error, public)},"at":{wire.instant(error.at)}}}'


def _why(error: LastError, public: bool) -> str:
    message = json_of(wire.message_for(error.reason, error.message, error.type, public=public))
    hidden = error.type is None or (public and error.type != wire.PUBLIC)
    kind = "null" if hidden else json_of(error.type)
    return f'"reason":"{error.reason}","message":{message},"type":{kind}'


def _history(history: Sequence[Former] | None) -> str:
    if history is None:
        return ""
    told = [f'{{"value":{former.text or "null"},"got_at":{wire.instant(former.got_at)}}}' for former in history]
    return f',"history":[{",".join(told)}]'


def _refused(item: Refused) -> str:
    return f'{{"asked":{json_of(item.asked)},"error":{item.problem.decode()}}}'


def _truth(value: bool) -> str:
    return "true" if value else "false"
