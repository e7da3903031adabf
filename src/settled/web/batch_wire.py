"""A batch as it crosses the wire: JSON text and headers, as pure functions of records."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from settled.records import BatchSnapshot, Failure, Snapshot
from settled.states import Reason, Status
from settled.web import wire
from settled.web.wire import Answer, Headers, json_of

SLOWEST_MS = 2_000
"""The longest that a client is told to let go by between two looks at an open batch."""


class Part(NamedTuple):
    """Tasks of a batch, as many as one answer tells of; what to ask for next, and from where on for changes."""

    rows: Sequence[Snapshot]
    next: str | None
    cursor: str
    more: bool = False
    changes: bool = False  # whether it tells of what has changed, and not of a page


def body_of(batch: BatchSnapshot, failures: Sequence[Failure], part: Part, *, public: bool = False) -> bytes:
    """The batch as one JSON object, with some of its tasks."""
    told = _told(failures, public)
    counts = ",".join(f'"{status}":{number}' for status, number in batch.counts.items())
    head = (
        f'{{"id":{json_of(batch.id)},"name":{json_of(batch.name)},"status":"{_status(batch)}",'
        f'"settled":{_truth(batch.settled)},"result":null,"error":{_error(batch, told)},"progress":{_progress(batch)},'
        f'"total":{batch.total},"counts":{{{counts}}},"failures":{_failures(told)},'
        f'"created_at":{wire.instant(batch.created_at)},"finished_at":{wire.instant(batch.finished_at)},'
        f'"settles_at":{wire.instant(batch.settles_at)},"settles_in":{batch.settles_in},'
        f'"retry_after":{retry_after(batch)},"next":{"null" if part.next is None else json_of(part.next)},'
        f'"cursor":{json_of(part.cursor)},"more":{_truth(part.more)},"tasks":['
    )
    return head.encode() + b",".join([wire.body_of(row, public=public) for row in part.rows]) + b"]}"


def retry_after(batch: BatchSnapshot) -> float:
    """In how many seconds to look again: soon at first, and hardly past its bound; 0 once it has settled."""
    if batch.settled:
        return 0.0
    age, left = batch.as_of - batch.created_at, batch.settles_at - batch.as_of
    return min(max(250, min(SLOWEST_MS, age // 5)), max(0, left) + 100) / 1000


def etag_of(batch: BatchSnapshot, begun: Sequence[Snapshot]) -> bytes:
    """The tag of all that can be told of a batch, whatever part of it is asked for.

    What has settled stays so, so the numbers tell whether another task has; ``begun`` are those that can change else.
    """
    numbers = b"%d-%d-%d-%d" % (batch.pending, batch.running, batch.completed, batch.failed)
    if batch.settled:
        return b'"%s"' % numbers
    told = "".join(f"{row.id}{row.attempt}{row.status}{row.progress}{row.progress_message}" for row in begun)
    return b'W/"%s-%x"' % (numbers, zlib.crc32(told.encode(errors="replace")))


def polled(batch: BatchSnapshot, tag: bytes, cache: Headers, body: bytes, *, changes: bool) -> Answer:
    """200 with the batch as it stands; a page of what has settled never changes."""
    headers = [wire.JSON, (b"content-length", b"%d" % len(body)), wire.NO_SNIFFING, (b"etag", tag)]
    return Answer(200, headers + _kept(batch, cache, changes), body)


def unchanged(batch: BatchSnapshot, tag: bytes, cache: Headers, *, changes: bool) -> Answer:
    """304: the client has it already."""
    return Answer(304, [(b"etag", tag), *_kept(batch, cache, changes)])


def changed(batch: BatchSnapshot, body: bytes, location: str | None = None) -> Answer:
    """What a POST answers: 200 with the batch as it stands now, or 202 with a new one and its ``location``."""
    headers = [wire.JSON, (b"content-length", b"%d" % len(body)), wire.NO_SNIFFING, wire.NO_STORE]
    if not batch.settled:
        headers.append(wire.wait_header(retry_after(batch)))
    if location is None:
        return Answer(200, headers, body)
    return Answer(202, [*headers, (b"location", location.encode("latin-1"))], body)


def _kept(batch: BatchSnapshot, cache: Headers, changes: bool) -> Headers:
    if not batch.settled:
        return [wire.NO_STORE, wire.wait_header(retry_after(batch))]
    return [wire.NO_STORE] if changes else cache


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _status(batch: BatchSnapshot) -> Status:
    """The batch as one task, for whoever waits for it: it fails if any task did."""
    if batch.settled:
        return Status.FAILED if batch.failed else Status.COMPLETED
    return Status.PENDING if batch.pending == batch.total else Status.RUNNING


def _error(batch: BatchSnapshot, told: Sequence[tuple[str, str, int]]) -> str:
    if not batch.settled or not batch.failed:
        return "null"
    most = "; ".join(f"{number:,} × {message}" for _, message, number in told[:3])
    said = json_of(f"{batch.failed:,} of {batch.total:,} tasks failed: {most}{' …' if len(told) > 3 else ''}")
    return f'{{"reason":"{told[0][0] if told else Reason.EXCEPTION}","message":{said},"type":null}}'


def _progress(batch: BatchSnapshot) -> str:
    ended = batch.completed + batch.failed
    return f'{{"fraction":{ended / batch.total},"message":"{ended:,} of {batch.total:,}"}}'


def _told(failures: Sequence[Failure], public: bool) -> list[tuple[str, str, int]]:
    """Reason, message and how many: those that read alike are one, and the most frequent come first."""
    numbers: Counter[tuple[str, str]] = Counter()
    for failure in failures:
        message = wire.message_for(failure.reason, failure.message, failure.type, public=public)
        numbers[str(failure.reason), message] += failure.number
    return [(reason, message, number) for (reason, message), number in numbers.most_common()]


def _failures(told: Sequence[tuple[str, str, int]]) -> str:
    each = [
        f'{{"reason":"{reason}","message":{json_of(message)},"count":{number}}}' for reason, message, number in told
    ]
    return f"[{','.join(each)}]"
