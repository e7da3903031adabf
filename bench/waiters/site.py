"""The server of one cell, on a port of its own: hands out the page, and plays its row at the task's address.

HTTP/1.1 by hand, one request for each connection, because everything that can be wrong with an answer must be sayable.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from bench.waiters import story
from bench.waiters.log import Log
from bench.waiters.story import ID, POLL, Clock, Story

TASK = f"/tasks/{ID}"
PATHS = {"events": f"{TASK}/events", "html": f"{TASK}/fragment"}
LOGIN = "/login"
SIGN_IN = b"<!doctype html><title>Sign in</title><form method=post><input name=user><button>Sign in</button></form>"
TYPES = {"html": "text/html; charset=utf-8"}
HEADER = re.compile(rb"\r\n([^:\r\n]+): *([^\r\n]*)")

Play = Callable[["Ask"], Awaitable[None]]


class Ask:
    """One request for the task, and all that can be done to it. Each method's instants are of the task's clock."""

    def __init__(self, site: Site, number: int, headers: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        self.site, self.n, self.headers = site, number, headers
        self.t = site.clock.now
        self._writer = writer
        face = site.face
        self.live = face == "events" or (face == "stream" and "event-stream" in headers.get("accept", ""))
        prefer = re.search(r"wait=(\d+)", headers.get("prefer", ""))
        self.hold = int(prefer[1]) / site.clock.scale if prefer and face in ("held", "stream") else 0.0
        self.said: list[str] = []

    @property
    def now(self) -> float:
        return self.site.clock.now

    @property
    def story(self) -> Story:
        return self.site.story

    async def honest(self) -> None:
        """What a good server answers: at once, or held until it settles, or as a stream; the last word last."""
        if self.live:
            if self.story.settled(self.now) and self.headers.get("last-event-id") == "over":
                return await self.status(204)
            await self.begin_stream()
            if not self.story.settled(self.now):
                await self.event(self.story)
                await self.settles()
            await self.event(self.story)
        else:
            if self.hold and not self.story.settled(self.now):
                await self.settles(within=self.hold)
            await self.tell(self.story)
        return None

    async def settles(self, within: float | None = None) -> None:
        """Wait until it settles; for ever if it never does."""
        at = self.story.settles
        if at is not None and (within is None or at <= self.now + within):
            await self.site.clock.until(at)
        elif within is None:
            await self.hang()
        else:
            await self.site.clock.sleep(within)

    def body(self, what: Story) -> bytes:
        """The task as it stands, in the client's own shape."""
        scale = self.site.clock.scale
        task = what.told(self.now, scale)
        if self.site.face == "celery":
            return story.as_celery(task)
        if self.site.face == "html":
            return story.as_fragment(task, self.site.path, POLL * scale)
        return story.as_json(task)

    async def tell(self, what: Story, **headers: str) -> None:
        """Answer 200 with the task as it stands."""
        word = what.as_ if what.settled(self.now) else what.meanwhile
        await self.status(200, self.body(what), says=word, **headers)

    async def status(
        self, status: int, body: bytes = b"", kind: str | None = None, says: str = "", **headers: str
    ) -> None:
        """Answer so, whole."""
        kind = kind or TYPES.get(self.site.face, "application/json")
        await self.head(status, kind, length=None if status == 204 else len(body), says=says, **headers)
        await self.send(body)

    async def problem(self, status: int, **headers: str) -> None:
        """A problem document, or in HTML what stands for it."""
        phrase = HTTPStatus(status).phrase
        if self.site.face == "html":
            return await self.status(status, f"<h1>{phrase}</h1>".encode(), "text/html", **headers)
        body = f'{{"type":"about:blank","title":"{phrase}","status":{status}}}'.encode()
        return await self.status(status, body, "application/problem+json", **headers)

    async def head(self, status: int, kind: str, length: int | None = None, says: str = "", **headers: str) -> None:
        """The status line and the headers, and so far no body."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Connection: close", "Cache-Control: no-store"]
        if status != 204:
            lines.append(f"Content-Type: {kind}")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
        self.said.append(" ".join(filter(None, [str(status), says, *map(str, headers.values())])))
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def begin_stream(self) -> None:
        await self.head(200, "text/event-stream", says="stream")
        await self.send(b"retry: 500\n")  # no comment: fetch-event-source takes one for a message

    async def event(self, what: Story) -> None:
        """An event with the task as it stands."""
        word = what.as_ if (over := what.settled(self.now)) else what.meanwhile
        self.said.append(word)
        await self.send(f"id: {'over' if over else 'open'}\ndata: {self.body(what).decode()}\n\n".encode())

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hang(self) -> None:
        """Say nothing more, until the client leaves."""
        self.said.append("nothing more")
        await asyncio.Event().wait()

    def cut(self) -> None:
        """Drop the connection in the middle."""
        self.said.append("cut")
        self._writer.transport.abort()


class Site:
    """A door that can be shut, and everybody who is inside."""

    def __init__(self, face: str, play: Play, story: Story, clock: Clock, log: Log, files: Mapping[str, Path]) -> None:
        self.face, self.play, self.story, self.clock, self.log, self.files = face, play, story, clock, log, files
        self.path = PATHS.get(face, TASK)
        self.page = b""
        self.asked: list[float] = []  # when each request for the task began
        self.waiting: set[Ask] = set()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._inside: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen, on the same port again if it was shut."""
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", self.port, backlog=64)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse whoever comes, and cut off who is there."""
        if self._server is not None:
            self._server.close()
        self._server = None
        self.cut_off()
        await asyncio.sleep(0)

    def cut_off(self) -> None:
        """Drop every connection."""
        for ask in list(self.waiting):
            ask.cut()

    async def close(self) -> None:
        """Nothing of it is left."""
        await self.shut()
        for _ in range(10):  # who was just let in takes some turns of the loop to be there
            for task in self._inside:
                task.cancel()
            await asyncio.gather(*self._inside, return_exceptions=True)
            await asyncio.sleep(0)

    def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._inside.add(task)
        task.add_done_callback(lambda task: self._left(task, writer))

    def _left(self, task: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
        self._inside.discard(task)
        writer.close()  # also for a task that was cancelled before it began

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(30):
                text = await reader.readuntil(b"\r\n\r\n")
            path = text.split(b" ", 2)[1].decode()
            headers = {name.decode().lower(): value.decode() for name, value in HEADER.findall(text)}
            await self._answer(path, headers, reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, IndexError):
            pass  # a connection that was opened for nothing, or cut off
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(
        self, path: str, headers: Mapping[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if path.partition("?")[0] != self.path:
            body, kind = self._file(path)
            ask = Ask(self, 0, headers, writer)
            return await ask.status(200 if body else 404, body, kind)
        self.asked.append(self.clock.now)
        ask = Ask(self, len(self.asked), headers, writer)
        self.waiting.add(ask)
        begun = self.clock.now
        playing = asyncio.ensure_future(self.play(ask))
        left = asyncio.ensure_future(reader.read())  # the end of what the client says: it has left
        try:
            await asyncio.wait([playing, left], return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone = left.done() and not playing.done()
            playing.cancel()
            left.cancel()
            results = await asyncio.gather(playing, left, return_exceptions=True)
            self.waiting.discard(ask)
            what = "stream" if ask.live else "held" if ask.hold else "get"
            ends = [f"the client leaves after {self.clock.now - begun:.1f} s"] if gone and "cut" not in ask.said else []
            if isinstance(results[0], Exception) and not isinstance(results[0], OSError):
                ends.append(repr(results[0]))
            self.log.add(begun, f"{what}: {', '.join([*ask.said, *ends])}")
        with contextlib.suppress(OSError):
            await writer.drain()
        return None

    def _file(self, path: str) -> tuple[bytes, str]:
        if path == "/":
            return self.page, "text/html; charset=utf-8"
        if path == LOGIN:
            return SIGN_IN, "text/html; charset=utf-8"
        file = self.files.get(path)
        return (file.read_bytes() if file else b""), "text/javascript"
