"""A task's changes as server-sent events: listens first, then reads, and ends with the task's last word.

While it waits it holds one listener and one future: no thread, no timer, no database connection, no task of its own
but for the one that notices that the client has left.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from settled.ear import Ear
from settled.errors import SettledError
from settled.records import Snapshot
from settled.tasks import Tasks
from settled.web import wire
from settled.web.request import Receive, Send

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent: below the idle limits of proxies."""
BOX = 300.0
"""Seconds after which a stream ends, give or take a tenth, so that who may see the task is asked again."""
HEADERS: wire.Headers = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    wire.NO_SNIFFING,
]
OPENING = b"retry: 2000\n:\n\n"  # at once, so that it is seen that nothing in between holds it back
COMMENT = b":\n\n"


class Stream:
    """One stream to one client, who has ``known`` (a tag) already; ``frame`` makes the event of a snapshot."""

    __slots__ = ("_frame", "_known", "_task_id", "_tasks")

    def __init__(self, tasks: Tasks, task_id: str, known: bytes | None, frame: Callable[[Snapshot], bytes]) -> None:
        self._tasks = tasks
        self._task_id = task_id
        self._known = known
        self._frame = frame

    async def play(self, receive: Receive, send: Send) -> None:
        """Send until the task has settled, the client has left, the box is full or the process is told to end."""
        loop = asyncio.get_running_loop()
        bell = self._tasks.ledger.bell
        ear = bell.listen(self._task_id, loop)
        left = asyncio.ensure_future(_left(receive, ear))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body", "body": OPENING, "more_body": True})
            over = loop.time() + BOX * random.uniform(0.9, 1.1)
            rang, tag, bound = True, b"", 0.0
            while True:
                if rang:
                    ear.forget()
                    row = ear.news or await self._tasks.aget(self._task_id)
                    if row.settled:  # in one piece with the end: it counts when thousands are told at once
                        await send({"type": "http.response.body", "body": self._frame(row)})
                        return
                    before, tag = tag, wire.etag_of(row)
                    known = not before and self._known is not None and wire.matches(self._known, tag)
                    if tag != before and not known:
                        await send({"type": "http.response.body", "body": self._frame(row), "more_body": True})
                    bound = loop.time() + row.settles_in + 0.05
                else:
                    await send({"type": "http.response.body", "body": COMMENT, "more_body": True})
                now = loop.time()
                if left.done() or self._tasks.closing or now >= over:
                    break
                pause = max(0.0, min(KEEP_ALIVE, over - now, bound - now))
                rang = await bell.rounds(loop).await_(ear, pause) or loop.time() >= bound
        except SettledError:
            pass  # pruned, or the database is away: the client looks again, and is told
        finally:
            gone = left.done()
            left.cancel()
            bell.stop(ear)
        if not gone:
            await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive, ear: Ear) -> None:
    try:
        while (await receive())["type"] != "http.disconnect":
            pass  # a body, which nobody asked for
    finally:
        ear.ring()
