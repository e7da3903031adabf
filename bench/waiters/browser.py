"""Tabs for cells: used again after a bad server, and fresh where much happens to the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bench.waiters.chromium import Chromium, Tab


class Browser:
    """Hands out tabs that are ready to be told things by their pages (``tell``)."""

    def __init__(self, chromium: Chromium, stack: AsyncExitStack) -> None:
        self._chromium, self._stack = chromium, stack
        self._idle: list[Tab] = []

    @asynccontextmanager
    async def tab(self, *, fresh: bool) -> AsyncIterator[Tab]:
        """A tab on an empty page."""
        if fresh:
            async with self._chromium.tab() as tab:
                await _prepare(tab)
                yield tab
            return
        tab = self._idle.pop() if self._idle else await self._stack.enter_async_context(self._chromium.tab())
        if not tab.prepared:
            await _prepare(tab)
        yield tab
        tab.heard = lambda method, params: None
        await tab.send("Page.navigate", url="about:blank")
        self._idle.append(tab)


async def _prepare(tab: Tab) -> None:
    for domain in ("Runtime", "Page", "Network"):
        await tab.send(f"{domain}.enable")
    await tab.send("Runtime.addBinding", name="tell")
    tab.prepared = True


@asynccontextmanager
async def browser(chromium: Chromium) -> AsyncIterator[Browser]:
    """The tabs of one browser; at the end all are closed."""
    async with AsyncExitStack() as stack:
        yield Browser(chromium, stack)
