"""A headless Chromium of the system, told what to do over a pipe in the Chrome DevTools Protocol; no other driver.

One browser, many tabs. Each tab is in a browser context of its own: its own process, connections, cache and cookies.
It can be hidden, frozen, offline and asleep in earnest, which a driver that emulates the focus prevents.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.browser.chromium import find_chromium

BOUND = 60.0  # seconds that one command may take, on a busy machine
ENDS_WITHIN = 10.0
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
    # The last ones: each window would have three more pages of the browser's own, which cost more than the tab does.
    "--disable-features=Translate,OptimizationHints,MediaRouter,SpareRendererForSitePerProcess,PaintHolding,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,WebUIReloadButton",
    "--no-startup-window", "--window-size=400,300", "--remote-debugging-pipe",
]  # fmt: skip
# The protocol wants its pipes at 3 and 4, where a forked child of a process with threads cannot put them safely.
LAUNCH = """
import fcntl, os, sys
r, w = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(r, 3), os.dup2(w, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""

Listener = Callable[[str, dict[str, Any]], None]


class Chromium:
    """The connection: commands with their answers, and events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listeners: dict[str, Listener] = {}
        self._count = 0
        self._listening = asyncio.create_task(self._listen())
        self.version = ""

    async def send(self, method: str, session: str | None = None, /, **params: Any) -> dict[str, Any]:
        """Send a command, and return its answer."""
        self._count += 1
        number = self._count
        self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        self._writer.write(json.dumps(message).encode() + b"\0")
        try:
            async with asyncio.timeout(BOUND):
                return await self._answers[number]
        finally:
            del self._answers[number]

    async def _listen(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                future = self._answers.get(message.get("id", 0))
                if "method" in message:
                    listener = self._listeners.get(message.get("sessionId", ""))
                    if listener is not None:
                        listener(message["method"], message["params"])
                elif future is not None and not future.done():  # else nobody waits for it any more
                    if "error" in message:
                        future.set_exception(RuntimeError(message["error"]["message"]))
                    else:
                        future.set_result(message["result"])
        for future in self._answers.values():
            if not future.done():
                future.set_exception(RuntimeError("Chromium has ended"))

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """An empty tab; its ``heard`` is called with its events."""
        context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        try:
            target = await self.send("Target.createTarget", url="about:blank", browserContextId=context, newWindow=True)
            answer = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            tab = Tab(self, answer["sessionId"], context)
            self._listeners[tab.session] = lambda method, params: tab.heard(method, params)
            try:
                yield tab
            finally:
                del self._listeners[tab.session]
        finally:
            with contextlib.suppress(RuntimeError, TimeoutError):
                await self.send("Target.disposeBrowserContext", browserContextId=context)

    async def close(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(RuntimeError, TimeoutError, ConnectionError):
            await self.send("Browser.close")
        self._writer.close()
        self._listening.cancel()


class Tab:
    """One page, and what may happen to it."""

    def __init__(self, chromium: Chromium, session: str, context: str) -> None:
        self._chromium, self.session, self._context = chromium, session, context
        self._cover: str | None = None
        self.prepared = False
        self.heard: Listener = lambda method, params: None

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._chromium.send(method, self.session, **params)

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise; raises what it throws."""
        answer = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    async def hide(self) -> None:
        """Open another tab in front of it."""
        target = await self._chromium.send("Target.createTarget", url="about:blank", browserContextId=self._context)
        self._cover = target["targetId"]
        await self._chromium.send("Target.activateTarget", targetId=self._cover)

    async def show(self) -> None:
        """Close what is in front of it."""
        assert self._cover is not None
        await self._chromium.send("Target.closeTarget", targetId=self._cover)
        await self.send("Page.bringToFront")

    async def freeze(self) -> None:
        """What a browser does to a tab that has been hidden for long: no script of it runs."""
        await self.hide()
        await self.send("Page.setWebLifecycleState", state="frozen")

    async def thaw(self) -> None:
        await self.send("Page.setWebLifecycleState", state="active")
        await self.show()

    async def network(self, *, on: bool) -> None:
        await self.send(
            "Network.emulateNetworkConditions", offline=not on, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """A browser with an empty profile; at the end no process of it is left."""
    path = find_chromium()
    if path is None:
        sys.exit("Chromium is missing: install chromium or Google Chrome, or set SETTLED_CHROMIUM to one's path")
    to_browser, from_browser = os.pipe(), os.pipe()
    profile = tempfile.mkdtemp(prefix="waiters-")
    ends = (to_browser[0], from_browser[1])
    command = [sys.executable, "-c", LAUNCH, *map(str, ends), path, f"--user-data-dir={profile}", *FLAGS]
    process = await asyncio.create_subprocess_exec(
        *command, pass_fds=ends, start_new_session=True,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    for fd in ends:
        os.close(fd)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_browser[0], "rb"))
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(to_browser[1], "wb")
    )
    browser = Chromium(reader, asyncio.StreamWriter(transport, protocol, None, loop))
    try:
        browser.version = (await browser.send("Browser.getVersion"))["product"]
        yield browser
    finally:
        await browser.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), ENDS_WITHIN)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # whatever is left of its group
        await process.wait()
        await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)
