"""The real work of the demo: fetch one web page and sum it up, within bounds of size and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import TypedDict

import httpx

from settled import PublicError

MOST_BYTES = 2_000_000
MOST_REDIRECTS = 5

# For the whole there is no limit here: the task's own timeout is that limit, and it always holds.
PATIENCE = httpx.Timeout(5.0)  # seconds, for connecting and for each piece that is read

Tell = Callable[[float, str], None]


class Summary(TypedDict):
    """What is left of a page: ``bytes`` of its body, ``links`` in it, ``seconds`` to fetch it."""

    url: str
    status: int
    title: str
    bytes: int
    links: int
    seconds: float


def open_client() -> httpx.AsyncClient:
    """Return a client to share between tasks, to be used as a context manager."""
    return httpx.AsyncClient(timeout=PATIENCE, follow_redirects=True, max_redirects=MOST_REDIRECTS)


async def sum_up(client: httpx.AsyncClient, url: str, tell: Tell) -> Summary:
    """Fetch ``url`` and return its summary; raise ``PublicError`` in plain words if that cannot be done.

    ``tell(fraction, message)`` is called as the page comes in.
    """
    began = time.monotonic()
    tell(0.0, "connecting")
    try:
        async with client.stream("GET", url, headers={"Accept": "text/html"}) as response:
            _must_be_a_page(response)
            body = await _read(response, tell)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PublicError(in_plain_words(error)) from error
    # Parsing is work for the processor: in a thread it does not hold up the event loop.
    title, links = await asyncio.to_thread(outline, body.decode(response.encoding or "utf-8", "replace"))
    return Summary(
        url=str(response.url),
        status=response.status_code,
        title=title,
        bytes=len(body),
        links=links,
        seconds=round(time.monotonic() - began, 3),
    )


def _must_be_a_page(response: httpx.Response) -> None:
    if response.is_error:
        raise PublicError(f"The server answered {response.status_code} {response.reason_phrase}.")
    kind = response.headers.get("content-type", "nothing").partition(";")[0].strip().lower()
    if kind not in {"text/html", "application/xhtml+xml", "text/plain"}:
        raise PublicError(f"This is no web page: the server sends {kind}.")


async def _read(response: httpx.Response, tell: Tell) -> bytes:
    body = bytearray()
    expected = int(response.headers.get("content-length", 0)) or MOST_BYTES
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MOST_BYTES:
            raise PublicError(f"The page is longer than {MOST_BYTES // 1_000_000} MB, and reading stopped there.")
        tell(min(len(body) / expected, 0.99), f"{len(body):,} bytes so far")
    return bytes(body)


def in_plain_words(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    """Say what went wrong on the network to somebody who has never heard of sockets."""
    match error:
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return "This is no web address: it should look like https://example.org/."
        case httpx.ConnectTimeout():
            return "Nobody answers at this address."
        case httpx.ConnectError():
            return "No connection could be made: the name does not exist, or nothing listens there."
        case httpx.TimeoutException():
            return f"The server took the request, and then sent nothing for {PATIENCE.read:g} seconds."
        case httpx.TooManyRedirects():
            return f"The page sends its visitors round in a circle ({MOST_REDIRECTS} redirects)."
        case httpx.RemoteProtocolError():
            return "The page broke off before its end, or was not sent as HTTP."
        case httpx.ReadError():
            return "The server cut the connection."
        case _:
            return f"The page could not be fetched ({type(error).__name__})."


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.title, self.links, self._in_title = "", 0, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title" and not self.title
        if tag == "a" and any(name == "href" for name, _ in attrs):
            self.links += 1

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data


def outline(text: str) -> tuple[str, int]:
    """Return the title of an HTML page, and how many links it has."""
    page = _Outline()
    page.feed(text)
    page.close()
    return " ".join(page.title.split())[:300], page.links
