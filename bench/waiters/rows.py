"""The rows of the table: every bad server, each a small named script; `pages.py` has what happens to the page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bench.waiters.chromium import Tab
from bench.waiters.site import LOGIN, SIGN_IN, Ask, Play, Site
from bench.waiters.story import Clock, Story

COMPLETED, FAILED, UNKNOWN, DENIED, UNREACHABLE = "completed", "failed", "unknown", "denied", "unreachable"
STOPPED = "stopped"
"""The truth where the page has left: it asks nothing more."""
OPEN = Story(settles=None)
OVER = Story(settles=-1.0)
AN_AGE = 1_000_000_000  # seconds: 31 years
CLOCKS = "an hour"


class Stage(Protocol):
    """What a row may move besides its server."""

    site: Site
    clock: Clock
    tab: Tab | None
    paused: asyncio.Event
    """No script of the page runs any more."""

    async def leave(self) -> None:
        """Have the client stopped, as when its part of the page is taken away."""


Act = Callable[[Stage], Awaitable[None]]


async def nothing(stage: Stage) -> None:
    """Happens to the page."""


@dataclass(frozen=True)
class Row:
    """A named fault; ``truth`` is how a wait must end that says what is the case."""

    name: str
    why: str
    truth: str
    play: Play = Ask.honest
    story: Story = field(default_factory=Story)
    before: Act = nothing
    during: Act = nothing
    group: str = "server"
    copies: int = 1
    still: bool = False  # no script of the page runs for a while, on purpose
    clock: str = ""  # a script for the page's own clock, before anything else


async def again_in_a_minute(ask: Ask) -> None:
    await (ask.problem(503, retry_after=str(AN_AGE)) if ask.n == 1 else ask.honest())


async def missing_at_first(ask: Ask) -> None:
    await (ask.problem(404) if ask.n <= 2 else ask.honest())


def always(status: int) -> Play:
    async def play(ask: Ask) -> None:
        await (ask.status(204) if status == 204 else ask.problem(status))

    return play


async def redirected(ask: Ask) -> None:
    await ask.status(302, location=LOGIN)


async def login_page(ask: Ask) -> None:
    await ask.status(200, SIGN_IN, "text/html; charset=utf-8")


async def error_once(ask: Ask) -> None:
    await (ask.problem(500) if ask.n == 1 else ask.honest())


async def hung(ask: Ask) -> None:
    await ask.hang()


async def hung_once(ask: Ask) -> None:
    await (ask.hang() if ask.n == 1 else ask.honest())


async def hung_in_the_body(ask: Ask) -> None:
    body = ask.body(ask.story)
    await ask.head(200, _kind(ask), length=len(body))
    await ask.send(body[: len(body) // 2])
    await ask.hang()


async def half(ask: Ask) -> None:
    body = ask.body(ask.story)
    if ask.live:
        await ask.begin_stream()
        await ask.send(b"data: " + body[: len(body) // 2] + b"\n\n")
    else:
        await ask.status(200, body[: len(body) // 2], says="half of it")


async def wrong_type(ask: Ask) -> None:
    await ask.status(200, b"OK", "text/plain", says="OK")


async def trickle(ask: Ask) -> None:
    body = ask.body(ask.story)
    await ask.head(200, _kind(ask), length=None if ask.live else len(body) * 100)
    for byte in (b" " * 10_000) if not ask.live else (b": slowly " * 1_000):
        await ask.send(bytes([byte]))
        await ask.site.clock.sleep(0.2)


async def cut_once(ask: Ask) -> None:
    """A stream, and whatever is held, at 0.7 s; of answers the first after that, in its middle."""
    if ask.t < 0.7 and (ask.live or ask.hold):
        if ask.live:
            await ask.begin_stream()
            await ask.event(ask.story)
        await ask.site.clock.until(0.7)
        ask.cut()
    elif ask.t >= 0.5 and not ask.live and not any(0.5 <= t < ask.t for t in ask.site.asked):
        body = ask.body(ask.story)
        await ask.head(200, _kind(ask), length=len(body))
        await ask.send(body[:20])
        ask.cut()
    else:
        await ask.honest()


async def silent(ask: Ask) -> None:
    """A stream that says how it stands, and then nothing, as when something in between holds it back."""
    if ask.live:
        await ask.begin_stream()
        await ask.event(OPEN)
        await ask.hang()
    elif ask.hold:
        await ask.hang()
    else:
        await ask.honest()


async def lost_event(ask: Ask) -> None:
    """It settles right after the first look, and a stream tells only what happens after it began."""
    if ask.live or ask.hold:
        if ask.live:
            await ask.begin_stream()
        await ask.hang()
    else:
        await ask.tell(OPEN if ask.n == 1 else OVER)


async def over_at_subscribe(ask: Ask) -> None:
    """There is nothing to be told any more: a stream ends at once, and empty."""
    if ask.live:
        await ask.begin_stream()
    else:
        await ask.tell(OVER)


async def behind_a_proxy(ask: Ask) -> None:
    """After the new version's start the proxy in front does not know it yet."""
    if 1.8 <= ask.t < 2.2:
        await ask.status(502, b"<html><h1>502 Bad Gateway</h1></html>", "text/html", says="from the proxy")
    else:
        await ask.honest()


def _kind(ask: Ask) -> str:
    return "text/event-stream" if ask.live else "text/html" if ask.site.face == "html" else "application/json"


async def shut(stage: Stage) -> None:
    await stage.site.shut()


async def open_again(stage: Stage) -> None:
    await stage.clock.until(1.0)
    await stage.site.open()


async def gone_for_good(stage: Stage) -> None:
    await stage.clock.until(0.7)
    await stage.site.shut()


async def deployed(stage: Stage) -> None:
    await stage.clock.until(0.8)
    await stage.site.shut()
    await stage.clock.until(1.8)
    await stage.site.open()


SERVERS: Sequence[Row] = [
    Row("it completes", "nothing is wrong", COMPLETED),
    Row("it fails", "nothing is wrong with the server", FAILED, story=Story(as_="failed")),
    Row("it is over at the first look", "finished before anybody asked", COMPLETED, story=OVER),
    Row("the status never changes", "the worker died, and nobody settled the row", UNREACHABLE, story=OPEN),
    Row("never, and always soon", "each answer promises as long again", UNREACHABLE, story=replace(OPEN, endless=True)),
    Row("an unknown word at the end", '"archived", of a version yet to come', FAILED, story=Story(as_="archived")),
    Row("an unknown word on the way", '"simmering", then completed', COMPLETED, story=Story(meanwhile="simmering")),
    Row("404", "there is no such task", UNKNOWN, always(404)),
    Row("404 at first", "a replica lags behind the submit", COMPLETED, missing_at_first),
    Row("410", "it was there, and was deleted", UNKNOWN, always(410)),
    Row("204", "there is nothing more to be told", UNKNOWN, always(204)),
    Row("401", "signed out meanwhile", DENIED, always(401)),
    Row("403", "somebody else's", DENIED, always(403)),
    Row("redirect to a login page", "signed out, and told so by a redirect", DENIED, redirected),
    Row("a login page with 200", "signed out, and told so by HTML", DENIED, login_page),
    Row("500 once", "one stumble", COMPLETED, error_once),
    Row("500 for ever", "broken for good", UNREACHABLE, always(500)),
    Row("503, retry after 31 years", "an absurd header, once", COMPLETED, again_in_a_minute),
    Row("retry_after 31 years", "an absurd number in each answer", COMPLETED, story=Story(retry_after=AN_AGE)),
    Row("hung before the headers", "accepts, and says nothing", UNREACHABLE, hung),
    Row("hung once", "one answer got lost", COMPLETED, hung_once),
    Row("hung in the body", "half an answer, and nothing more", UNREACHABLE, hung_in_the_body),
    Row("half a JSON", "each answer is cut short", UNREACHABLE, half),
    Row("the wrong type", '"OK", as text', UNREACHABLE, wrong_type),
    Row("a slow trickle", "a byte now and then, for ever", UNREACHABLE, trickle),
    Row("connection refused", "nobody listens", UNREACHABLE, before=shut),
    Row("refused, then back", "a restart of one second", COMPLETED, before=shut, during=open_again),
    Row("gone for good", "one answer, then nobody listens", UNREACHABLE, during=gone_for_good),
    Row("cut in the middle", "a stream or an answer, once", COMPLETED, cut_once),
    Row("the stream falls silent", "something in between holds it back", COMPLETED, silent),
    Row("the event was lost", "it settled between read and subscribe", COMPLETED, lost_event),
    Row("over at subscribe", "a stream that is empty, and ends", COMPLETED, over_at_subscribe),
    Row("a deploy in the middle", "cut, refused, 502, back", COMPLETED, behind_a_proxy,
        Story(settles=2.6), during=deployed),
]  # fmt: skip
