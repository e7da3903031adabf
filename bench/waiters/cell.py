"""One cell of the table: one client, one row, a server and a tab (or a thread) of its own; what was seen of it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.waiters.browser import Browser
from bench.waiters.chromium import Tab
from bench.waiters.clients import Client
from bench.waiters.grade import ABSENT, TRUE, Grade, Outcome, graded
from bench.waiters.log import Log
from bench.waiters.python_client import PythonWait
from bench.waiters.rows import STOPPED, Row
from bench.waiters.site import Site
from bench.waiters.story import GRACE, HORIZON, PATIENCE, POLL, PROMISE, Clock

QUIET = 1.0
"""Seconds for which a cell is watched after an end that is true."""
AFTERWARDS = 3.0
"""Seconds for which it is watched after it was taken away."""
BEAT = 0.25
BOUND = 60.0  # real seconds for a page to load, on a busy machine
_spec = importlib.util.find_spec("settled")
assert _spec is not None
assert _spec.origin is not None
STATIC = Path(_spec.origin).parent / "web" / "static"
PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>A page that waits</title><link rel=icon href=data:,>
<main></main><script type=module>
import { start } from "/adapter.js";
const stops = [];
const report = (copy) => (end, message) => tell(JSON.stringify([copy, end ?? null, String(message ?? "")]));
window.kit = {
  begin(copies) {
    for (let copy = 0; copy < copies; copy++)
      stops.push(start(%(url)s, report(copy), %(terms)s));
  },
  leave() { for (const stop of stops) stop?.(); },
};
tell("ready");
</script>"""


@dataclass(frozen=True)
class Cell:
    """What the table shows, and the log behind it."""

    client: str
    row: str
    grade: Grade
    log: list[str]
    lag: float = 0.0  # by how many seconds server or page came too late, which is the machine's doing

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self.grade), "lag": self.lag, "log": self.log}


class Stage:
    """All that a row's script may move; see ``rows.Stage``."""

    def __init__(self, site: Site, clock: Clock, log: Log) -> None:
        self.site, self.clock, self.log = site, clock, log
        self.tab: Tab | None = None
        self.python: list[PythonWait] = []
        self.outcome = Outcome()
        self.news = asyncio.Event()
        self.ready = asyncio.Event()
        self.paused = asyncio.Event()
        self.lag = 0.0

    def told(self, copy: int, end: str | None, message: str) -> None:
        """A client says what its page shows now: an end, or that it waits."""
        known = [word for _, who, word, _ in self.outcome.told if who == copy]
        if (known or [None])[-1] == end or self.outcome.left is not None:
            return
        now = self.clock.now
        self.outcome.told.append((now, copy, end, message))
        self.log.add(now, f"the client says: {end or 'waiting again'}{f' ({message})' if message else ''}")
        self.news.set()

    def heard(self, method: str, params: dict[str, Any]) -> None:
        """An event of the tab."""
        if method == "Runtime.bindingCalled" and params["name"] == "tell":
            if params["payload"] == "ready":
                self.ready.set()
            else:
                self.told(*json.loads(params["payload"]))
        elif method == "Network.requestWillBeSent":
            if urlsplit(params["request"]["url"]).path == self.site.path:
                self.outcome.sent.append(self.clock.now)
        elif method == "Debugger.paused":
            self.paused.set()
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            text = details.get("exception", {}).get("description") or details["text"]
            self.log.add(self.clock.now, f"error in the page: {text.splitlines()[0][:160]}")

    async def feel(self, *, page: bool) -> None:
        """Note how late this process, and the page where it is not held on purpose, get to do anything."""
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            try:
                await asyncio.sleep(BEAT)
                if page and self.tab is not None:
                    await self.tab.run("0")
            finally:  # also if there is no answer to the end
                self.lag = max(self.lag, (loop.time() - begun - BEAT) / self.clock.scale)

    async def leave(self) -> None:
        if self.tab is not None:
            await self.tab.run("kit.leave()")
        for wait in self.python:
            wait.leave()
        self.outcome.left = self.clock.now
        self.log.add(self.clock.now, "it is taken away")

    async def watch(self, row: Row, until: float) -> None:
        """Look on until the horizon; or for a little longer than the end, if that is true."""
        outcome = self.outcome
        while self.clock.now < until:
            outcome.asked = list(self.site.asked)
            wait = until - self.clock.now
            if row.truth != STOPPED and graded(outcome, row.truth, row.copies).grade == TRUE:
                last = max([at for at, *_ in outcome.told] + outcome.asked)
                wait = min(wait, last + QUIET - self.clock.now)
            if wait <= 0:
                break
            self.news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), min(wait, 0.5) * self.clock.scale)
        outcome.asked = list(self.site.asked)
        outcome.held = len(self.site.waiting)
        outcome.watched = self.clock.now


async def play(
    browser: Browser | None, client: Client, row: Row, files: Mapping[str, Path], scale: float = 1.0
) -> Cell:
    """Run one cell; whatever happens, nothing of it is left."""
    if client.python and row.group == "page" and row.copies == 1 and row.during.__name__ != "unmounted":
        return Cell(client.key, row.name, Grade(ABSENT, None, "", None, 0, 0), [])
    clock, log = Clock(scale), Log()
    modules = {f"/{path.name}": path for path in STATIC.glob("*.js")}
    site = Site(client.face, row.play, row.story, clock, log, {**modules, **files})
    stage = Stage(site, clock, log)
    await site.open()
    try:
        if client.python:
            await _in_python(stage, row, client)
        else:
            assert browser is not None
            terms = {"settlesIn": PROMISE, "every": POLL, "grace": GRACE, "patience": PATIENCE}
            told = {name: value * scale for name, value in terms.items()}
            site.page = (PAGE % {"url": json.dumps(site.path), "terms": json.dumps(told)}).encode()
            async with browser.tab(fresh=row.group == "page") as stage.tab:
                stage.tab.heard = stage.heard
                await _in_tab(stage, row, client)
    finally:
        await site.close()
    return Cell(client.key, row.name, graded(stage.outcome, row.truth, row.copies), log.lines(), round(stage.lag, 2))


async def _in_tab(stage: Stage, row: Row, client: Client) -> None:
    tab = stage.tab
    assert tab is not None
    if row.clock:
        await tab.send("Page.addScriptToEvaluateOnNewDocument", source=row.clock)
    await tab.send("Page.navigate", url=f"http://127.0.0.1:{stage.site.port}/")
    async with asyncio.timeout(BOUND):
        await stage.ready.wait()
    await row.before(stage)
    stage.clock.start()
    await tab.run(f"kit.begin({row.copies})")
    await _to_the_end(stage, row, client)


async def _in_python(stage: Stage, row: Row, client: Client) -> None:
    await row.before(stage)
    stage.clock.start()
    url, scale = f"http://127.0.0.1:{stage.site.port}{stage.site.path}", stage.clock.scale
    stage.python = [PythonWait(n, url, stage.told, GRACE * scale, PATIENCE * scale) for n in range(row.copies)]
    try:
        await _to_the_end(stage, row, client)
    finally:
        for wait in stage.python:
            await wait.close()


async def _to_the_end(stage: Stage, row: Row, client: Client) -> None:
    during = asyncio.ensure_future(row.during(stage))
    pulse = asyncio.ensure_future(stage.feel(page=not row.still))
    try:
        until = max(HORIZON, client.gives_up + 2.0)
        if row.truth == STOPPED:
            async with asyncio.timeout(BOUND):
                await asyncio.shield(during)
            until = stage.clock.now + AFTERWARDS
        await stage.watch(row, until)
    finally:
        done = during.done()
        for task in (during, pulse):
            task.cancel()
        results = await asyncio.gather(during, pulse, return_exceptions=True)
    if done and isinstance(results[0], Exception):
        raise results[0]
