"""How the site behaves towards a domain: well, or in one of the ways that real sites misbehave."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from trafficlens.site import pages
from trafficlens.site.figures import Figures, Site, figures_of, read_sites

SPACES, SPACES_TIMES = 64_000_000, 32
Send = Callable[[bytes], Awaitable[None]]


@dataclass
class Manners:
    """The site's mood: ``share`` of the real domains that misbehave, seconds for those that are slow or say when."""

    share: float = 0.0
    slow: float = 3.0
    retry_after: float = 30.0
    sites: Mapping[str, Site] = field(default_factory=read_sites)
    _asked: Counter[str] = field(default_factory=Counter)

    def kind_of(self, domain: str) -> str:
        """By the domain's name alone: ``hangs.test`` and ``any.hangs.test`` hang, and ``share`` of all others too."""
        labels = domain.split(".")
        if labels[-1] == "test":
            return labels[-2] if len(labels) > 1 and labels[-2] in KINDS else "good"
        if domain not in self.sites:
            return "empty"
        chance = zlib.crc32(domain.encode()) / 2**32
        misbehaviours = [kind for kind in KINDS if kind != "good"]
        return misbehaviours[int(chance / self.share * len(misbehaviours))] if chance < self.share else "good"

    async def answer(self, domain: str, send: Send) -> None:
        """Send what the domain's page is, well or not."""
        self._asked[domain] += 1
        await KINDS[self.kind_of(domain)][1](self, domain, send)

    def figures(self, domain: str) -> Figures:
        return figures_of(self.sites.get(domain) or Site(domain, "Test", 0))

    async def good(self, domain: str, send: Send) -> None:
        await send(response("200 OK", pages.figures_page(self.figures(domain))))

    async def slowly(self, domain: str, send: Send) -> None:
        whole = response("200 OK", pages.figures_page(self.figures(domain)))
        size = len(whole) // 10 + 1
        for start in range(0, len(whole), size):
            await asyncio.sleep(self.slow / 10)
            await send(whole[start : start + size])

    async def hang(self, domain: str, send: Send) -> None:
        await asyncio.Event().wait()  # the server bounds every visit

    async def refuse(self, domain: str, send: Send) -> None:
        body = pages.page("Too many requests", "<p>Come back later.</p>")
        await send(response("429 Too Many Requests", body, f"Retry-After: {self.retry_after:g}"))

    async def fail(self, domain: str, send: Send) -> None:
        await send(response("500 Internal Server Error", pages.page("Something broke", "<p>Sorry.</p>")))

    async def fail_at_first(self, domain: str, send: Send) -> None:
        await (self.fail if self._asked[domain] == 1 else self.good)(domain, send)

    async def redesign(self, domain: str, send: Send) -> None:
        await send(response("200 OK", pages.redesigned_page(self.figures(domain))))

    async def swell(self, domain: str, send: Send) -> None:
        """Two megabytes on the way, and two gigabytes for whoever unpacks them."""
        await send(head("200 OK", None, "Content-Encoding: gzip"))
        member = await asyncio.to_thread(_spaces)
        for _ in range(SPACES_TIMES):  # members one after the other are one file (RFC 1952, 2.2)
            await send(member)

    async def know_nothing(self, domain: str, send: Send) -> None:
        await send(response("200 OK", pages.empty_page(domain)))

    async def break_off(self, domain: str, send: Send) -> None:
        whole = response("200 OK", pages.figures_page(self.figures(domain)))
        await send(whole[: len(whole) // 2])


KINDS: dict[str, tuple[str, Callable[[Manners, str, Send], Awaitable[None]]]] = {
    "good": ("answers as it should", Manners.good),
    "slow": ("sends its page in pieces, over some seconds", Manners.slowly),
    "hangs": ("takes the request and never answers", Manners.hang),
    "busy": ("429, and says when to come back", Manners.refuse),
    "broken": ("500", Manners.fail),
    "flaky": ("500 the first time, well from then on", Manners.fail_at_first),
    "redesigned": ("has changed its layout, so that nothing is found on it", Manners.redesign),
    "hungry": ("grows in memory until the process that reads it is ended", Manners.swell),
    "empty": ("is a good answer that says: no data", Manners.know_nothing),
    "half": ("breaks off in the middle", Manners.break_off),
}


@cache
def _spaces() -> bytes:
    return gzip.compress(b" " * SPACES)


def head(status: str, length: int | None, *more: str) -> bytes:
    """The head of a response, after which the connection is closed."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/html; charset=utf-8", "Connection: close", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def response(status: str, body: bytes, *more: str) -> bytes:
    """A whole response, packed."""
    packed = gzip.compress(body)
    return head(status, len(packed), "Content-Encoding: gzip", *more) + packed
