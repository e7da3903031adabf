"""The operations on batches over HTTP, once for every framework; who may see one is as with a task."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote

from settled import ledger_batches
from settled.batch import Batch
from settled.errors import BadInput, TaskNotFound
from settled.records import BatchSnapshot, Failure, Snapshot
from settled.web import batch_wire, wire
from settled.web.batch_wire import Part
from settled.web.face import GONE, Face, full_path, not_across_sites, unless_gone
from settled.web.request import Receive, Scope
from settled.web.stream import Stream
from settled.web.wire import Answer

ROUTES: Mapping[str, Mapping[str, str]] = {
    "": {"GET": "show", "HEAD": "show"},
    "cancel": {"POST": "cancel"},
    "retry": {"POST": "retry"},
}
"""What follows ``/{id}``: the methods offered there, and the operation of each."""
USUAL, MOST = 100, 1_000
"""Tasks that one answer tells of, if nothing is said, and at most."""
MOST_BYTES = 4_000_000
"""Of results in one answer; what is beyond comes with the next."""
REMEMBERED = 256
"""Batches of which is remembered why tasks failed, until more have."""


class Asked(NamedTuple):
    """What the query asks for: a page behind a task, or what has changed since a cursor was given out."""

    after: str | None
    limit: int
    since: str | None


class BatchFace(Face):
    """One ``Tasks`` and its batches as HTTP."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._operations = {"show": self._show, "cancel": self._cancel, "retry": self._retry}
        self._failures: OrderedDict[tuple[str, int], list[Failure]] = OrderedDict()

    # -- the operations

    async def _show(self, scope: Scope, receive: Receive, batch_id: str) -> Answer | Stream:
        asked = _asked(scope)
        found = await self._find_batch(scope, receive, batch_id)
        headers = scope["headers"]
        known = next((value for name, value in headers if name == b"if-none-match"), None)
        prefer = b",".join(value for name, value in headers if name == b"prefer")
        wait = wire.wait_of(prefer) if prefer else None
        tag = await asyncio.to_thread(self._tag, found)
        if wait and not found.settled and (known is None or wire.matches(known, tag)):
            newest = await unless_gone(receive, self.tasks.batch_changed(found, wait))
            if newest is None:
                return GONE
            found = newest
            tag = await asyncio.to_thread(self._tag, found)
        changes = asked.since is not None
        if known is not None and wire.matches(known, tag):
            answer = batch_wire.unchanged(found, tag, self._cache, changes=changes)
        else:
            body = await asyncio.to_thread(self._body, found, asked)
            answer = batch_wire.polled(found, tag, self._cache, body, changes=changes)
        if wait is not None:
            answer.headers.append((b"preference-applied", b"wait=%d" % wait))
        return answer

    async def _cancel(self, scope: Scope, receive: Receive, batch_id: str) -> Answer:
        not_across_sites(scope)
        found = await self._find_batch(scope, receive, batch_id)
        found = await self.tasks.acancel_batch(found.id)
        return batch_wire.changed(found, await asyncio.to_thread(self._body, found, _FIRST))

    async def _retry(self, scope: Scope, receive: Receive, batch_id: str) -> Answer:
        not_across_sites(scope)
        found = await self._find_batch(scope, receive, batch_id)
        batch: Batch = await self.tasks.aretry_batch(found.id)
        above = full_path(scope).rpartition("/")[0].rpartition("/")[0]
        body = await asyncio.to_thread(self._body, batch.snapshot, _FIRST)
        return batch_wire.changed(batch.snapshot, body, quote(f"{above}/{batch.id}"))

    # -- the inside

    async def _find_batch(self, scope: Scope, receive: Receive, batch_id: str) -> BatchSnapshot:
        """The batch, if there is one and the asker may see its first task, and so all of them."""
        await self._ready(batch_id)
        found, first = await asyncio.to_thread(self._look, batch_id)
        if not await self._may_see(scope, receive, first):
            raise TaskNotFound("Not for this asker.")
        return found

    def _look(self, batch_id: str) -> tuple[BatchSnapshot, Snapshot]:
        ledger = self.tasks.ledger
        found = ledger_batches.get(ledger, batch_id)
        first = ledger_batches.page(ledger, batch_id, limit=1)
        if not first:
            raise TaskNotFound("It has just been pruned.")
        return found, first[0]

    def _tag(self, found: BatchSnapshot) -> bytes:
        begun = [] if found.settled else ledger_batches.begun(self.tasks.ledger, found.id)
        return batch_wire.etag_of(found, begun)

    def _body(self, found: BatchSnapshot, asked: Asked) -> bytes:
        return batch_wire.body_of(found, self._why(found), self._part(found, asked), public=self.public)

    def _part(self, found: BatchSnapshot, asked: Asked) -> Part:
        ledger = self.tasks.ledger
        if asked.since is not None:
            changes = ledger_batches.changes(ledger, found.id, asked.since, asked.limit)
            kept = _fitting(changes.rows)
            if len(kept) < len(changes.rows) and kept[-1].settled:
                return Part(kept, None, f"{kept[-1].finished_at}.{kept[-1].id}", True, True)
            return Part(changes.rows, None, changes.cursor, changes.more, True)
        rows = ledger_batches.page(ledger, found.id, asked.after, asked.limit + 1)
        kept = _fitting(rows[: asked.limit])
        return Part(kept, kept[-1].id if len(kept) < len(rows) else None, ledger_batches.cursor_of(found.as_of))

    def _why(self, found: BatchSnapshot) -> list[Failure]:
        """Why tasks failed; asked for anew only when more have."""
        if not found.failed:
            return []
        key = found.id, found.failed
        failures = self._failures.get(key)
        if failures is None:
            failures = self._failures[key] = ledger_batches.failures(self.tasks.ledger, found.id)
            while len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)
        return failures


_FIRST = Asked(None, USUAL, None)


def _asked(scope: Scope) -> Asked:
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
    limit = query.get("limit", str(USUAL))
    if not limit.isdigit() or not 0 < int(limit[:9]) <= MOST:
        raise BadInput(f"limit={limit[:20]} is not possible: ask for 1 to {MOST:,} tasks of the batch at a time.")
    after = query.get("after") or None
    if after is not None and ("\0" in after or len(after) > 100):
        raise BadInput("after= is the id of a task of the batch, as in its field next.")
    return Asked(after, int(limit), query.get("changed_since"))


def _fitting(rows: Sequence[Snapshot]) -> Sequence[Snapshot]:
    """As many of them as one answer should carry, one at least."""
    size = 0
    for place, row in enumerate(rows):
        size += len(row.result_data or "")
        if size > MOST_BYTES and place:
            return rows[:place]
    return rows
