"""What the dashboard's tests stand on: a ledger of either store that they fill row by row, and a browser's requests."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import httpx

from settled.dashboard import Dashboard
from settled.ledger import Ledger
from settled.records import Snapshot, Verdict
from settled.states import Status
from tests.stores.making import new_task
from tests.stores.worlds import World

LOCAL = "http://localhost:8000"
BOUND = 20.0
ROOT = "/tasks/ui"


class Place:
    """A ledger, and the dashboard on it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = Ledger(world.open(), lease=600)
        self.worker = self.ledger.membership.enlist(["work"], "embedded")

    def submit(self, name: str = "work", *, run: bool = False, **changes: Any) -> Snapshot:
        return self.ledger.add(new_task(name, worker=self.worker if run else None, **changes))[0]

    def settled(self, name: str = "work", *, failing: Any = None, result: str = '"done"', **changes: Any) -> Snapshot:
        """A task that has completed, or failed with what ``failing`` says of a verdict."""
        row = self.submit(name, run=True, **changes)
        verdict = Verdict(row.id, 1, Status.COMPLETED, result)
        if failing is not None:
            verdict = Verdict(row.id, 1, Status.FAILED, **failing)
        assert self.ledger.settle_now(verdict)
        return self.ledger.get(row.id)

    def dashboard(self, **options: Any) -> Dashboard:
        return Dashboard(self, **options)

    @asynccontextmanager
    async def browser(self, **options: Any) -> AsyncIterator[Browser]:
        """A browser at a dashboard with these options."""
        async with browsing(self.dashboard(**options)) as browser:
            yield browser


class Browser:
    """Sends what a browser sends, and reads pages as a test does."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str = "/", expected: int = 200, **query: str) -> str:
        answer = await self.client.get(ROOT + path, params=query)
        assert answer.status_code == expected, text_of(answer.text)
        return answer.text

    async def post(self, path: str, form: dict[str, Any], status: int, **headers: str) -> httpx.Response:
        sent = {"origin": LOCAL, "sec-fetch-site": "same-origin", **headers}
        answer = await self.client.post(ROOT + path, data=form, headers=sent)
        assert answer.status_code == status, text_of(answer.text)
        return answer

    async def token(self) -> str:
        return re.findall(r'name="csrf" value="([^"]+)"', await self.get())[0]

    async def act(self, hand: str, *ids: str, **form: Any) -> httpx.Response:
        """Say what to do, and say yes; the answer to the last step."""
        token = form.pop("csrf", None) or await self.token()
        asked = await self.post("/confirm", {"csrf": token, "hand": hand, "id": list(ids), **form}, 200)
        return await self.post("/do", fields(asked.text), 303)


def fields(page: str) -> dict[str, list[str]]:
    """What the forms of a page send along."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page):
        found.setdefault(unescape(name), []).append(unescape(value))
    return found


@asynccontextmanager
async def browsing(app: Any, client: tuple[str, int] = ("127.0.0.1", 40_000)) -> AsyncIterator[Browser]:
    """A browser on this machine, at an app that is mounted under ``ROOT``."""

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "root_path": ROOT}, receive, send)

    transport = httpx.ASGITransport(mounted, client=client)
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL, timeout=BOUND) as inner:
        yield Browser(inner)


def links(page: str) -> list[str]:
    """The ids of the tasks in the list of a page, from above."""
    return re.findall(r'<tr role="row" id="t-([^"]+)"', page)


def text_of(page: str) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
