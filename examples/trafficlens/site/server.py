"""Serves the site over plain sockets, since a proper web server would refuse to behave so badly, and keeps a log."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from trafficlens.site import pages
from trafficlens.site.behaviour import KINDS, Manners, Send, response

LONGEST_VISIT = 120.0  # seconds; even the page that never answers lets go at last
PREFIX = "/website/"


class SiteServer:
    """``async with SiteServer(Manners(), port=0) as site: site.url``; ``log`` gets a JSON line for each request."""

    def __init__(self, manners: Manners, *, host: str = "127.0.0.1", port: int = 0, log: Path | None = None) -> None:
        self._manners, self._host, self._port = manners, host, port
        self._log = log.open("a", encoding="utf-8", buffering=1) if log else None
        self._visits: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._visit, self._host, self._port, backlog=1_000)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        if self._log:
            self._log.close()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            async with asyncio.timeout(LONGEST_VISIT):
                request = await reader.readuntil(b"\r\n\r\n")
                await self._answer(unquote(request.split(b" ", 2)[1].decode("ascii", "replace")), send)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the visitor left, or spoke no HTTP (a timeout is an OSError, too)
        except asyncio.CancelledError:
            pass  # the site closes: nobody else cancels a visit
        finally:
            writer.close()

    async def _answer(self, path: str, send: Send) -> None:
        if not path.startswith(PREFIX):
            kinds = [(name, what) for name, (what, _) in KINDS.items()]
            await send(response("200 OK", pages.front_page(len(self._manners.sites), kinds)))
            return
        domain = path.removeprefix(PREFIX).lower()
        if self._log:
            entry = {"at": round(time.time(), 3), "domain": domain, "kind": self._manners.kind_of(domain)}
            self._log.write(json.dumps(entry) + "\n")
        await self._manners.answer(domain, send)
