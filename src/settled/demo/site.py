"""A small web site of real pages and of misbehaving ones, so that the demo works without internet.

It speaks HTTP by hand, over plain sockets: a proper web server would refuse to behave this badly.
"""

from __future__ import annotations

import asyncio
import html
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Self

from settled.demo.pages import PAGES, Page

LONGEST_VISIT = 60.0  # seconds; even the page that never answers lets go at last


class Misbehaviour(NamedTuple):
    """One page that does not do what a page should."""

    path: str
    what: str
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]]


class Site:
    """The site while it is open: ``async with Site(port) as site: site.url``."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self._host, self._port = host, port
        self._visits: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address of the front page, without the last slash."""
        return f"http://{self._host}:{self._port}"

    def addresses(self) -> list[str]:
        """Every page, the good ones first."""
        return [self.url + page.path for page in PAGES] + [self.url + page.path for page in MISBEHAVIOURS]

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(self._visit, self._host, self._port)
        except OSError:  # the port is taken: any other does as well
            self._server = await asyncio.start_server(self._visit, self._host, 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)
        try:
            async with asyncio.timeout(LONGEST_VISIT):
                request = await reader.readuntil(b"\r\n\r\n")
                await _route(request)(writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the visitor left, or spoke no HTTP (a timeout is an OSError, too)
        except asyncio.CancelledError:
            pass  # the site closes: nobody else cancels a visit
        finally:
            writer.close()


def _route(request: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    path = request.split(b" ", 2)[1].decode("ascii", "replace").partition("?")[0]
    for page in PAGES:
        if page.path == path:
            return _good(page)
    return next((bad.answer for bad in MISBEHAVIOURS if bad.path == path), _missing)


def _head(status: str, length: int | None, kind: str = "text/html; charset=utf-8", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def _render(title: str, paragraphs: tuple[str, ...]) -> bytes:
    text = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
    links = "".join(f'<li><a href="{page.path}">{html.escape(page.title)}</a>' for page in PAGES)
    style = "body{max-width:34em;margin:4em auto;padding:0 1.5em;font:1.1em/1.6 Georgia,serif;color-scheme:light dark}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><h1>{html.escape(title)}</h1>{text}<ul>{links}</ul></html>"
    ).encode()


def _good(page: Page) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        body = _render(page.title, page.paragraphs)
        writer.write(_head("200 OK", len(body)) + body)

    return answer


async def _slow(writer: asyncio.StreamWriter) -> None:
    body = _render("Slow, but here", ("This page was sent in twelve pieces, a quarter of a second apart.",))
    writer.write(_head("200 OK", len(body)))
    size = len(body) // 12 + 1
    for start in range(0, len(body), size):
        await asyncio.sleep(0.25)
        writer.write(body[start : start + size])
        await writer.drain()


async def _hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(LONGEST_VISIT)


async def _error(writer: asyncio.StreamWriter) -> None:
    body = _render("Something broke", ("The server could not make this page.",))
    writer.write(_head("500 Internal Server Error", len(body)) + body)


async def _missing(writer: asyncio.StreamWriter) -> None:
    body = _render("Not here", ("There is no such page.",))
    writer.write(_head("404 Not Found", len(body)) + body)


async def _truncated(writer: asyncio.StreamWriter) -> None:
    body = _render("Cut short", ("This page promises more than it",))
    writer.write(_head("200 OK", len(body) + 5_000) + body)


async def _circle(writer: asyncio.StreamWriter) -> None:
    writer.write(_head("302 Found", 0, "text/plain", "Location: /circle"))


async def _huge(writer: asyncio.StreamWriter) -> None:
    writer.write(_head("200 OK", None) + b"<!doctype html><title>No end in sight</title>")
    while True:
        writer.write(b"<p>and so on, and so on, and so on</p>\n" * 1_000)
        await writer.drain()
        await asyncio.sleep(0)


async def _picture(writer: asyncio.StreamWriter) -> None:
    body = b"\x89PNG\r\n\x1a\n" + bytes(2_000)
    writer.write(_head("200 OK", len(body), "image/png") + body)


async def _reset(writer: asyncio.StreamWriter) -> None:
    # With a linger of zero seconds, closing sends RST in place of FIN (SO_LINGER, socket(7)).
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


MISBEHAVIOURS = (
    Misbehaviour("/slow", "arrives in small pieces over three seconds", _slow),
    Misbehaviour("/hangs", "takes the request and never answers", _hang),
    Misbehaviour("/broken", "answers 500", _error),
    Misbehaviour("/missing", "answers 404", _missing),
    Misbehaviour("/cut-short", "breaks off in the middle of its body", _truncated),
    Misbehaviour("/circle", "redirects to itself", _circle),
    Misbehaviour("/huge", "never ends", _huge),
    Misbehaviour("/picture", "is no web page at all", _picture),
    Misbehaviour("/reset", "resets the connection", _reset),
)
