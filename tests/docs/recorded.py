"""Real exchanges with the HTTP surface, for docs/http.md: a request and what was answered to it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response

from settled import Context, PublicError, Snapshot, Tasks
from settled.ids import new_id
from settled.web import NotSignedIn
from settled.web.fastapi import IdempotencyKey, accepted, add_problem_handlers, tasks_router
from tests.web.world import until

NAMES = (
    "submit", "running", "unchanged", "long-poll", "settled", "failed", "cancel", "cancel-settled", "retry", "script",
    "submit-with-key", "other-arguments", "bad-arguments", "unknown", "no-id", "pruned", "not-signed-in", "cross-site",
    "away",
)  # fmt: skip
LEFT_OUT = {"content-length", "x-content-type-options"}
ITSELF = {"etag": "ETag", "www-authenticate": "WWW-Authenticate"}


def exchange(name: str) -> str:
    """One exchange as a fenced block; its body is indented for reading."""
    return f"```http\n{_exchanges()[name]}```\n"


@cache
def _exchanges() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_Scenes(Path(folder)).play())


class _Scenes:
    """An application like the README's, and the client that asks it."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "tasks.db"
        self.tasks = Tasks(f"sqlite:///{self.ledger}", drain=0)
        self.go, self.halfway = asyncio.Event(), asyncio.Event()
        self.app = self._app()
        self.told: dict[str, str] = {}

    def _app(self) -> FastAPI:
        app = FastAPI()
        app.include_router(tasks_router(self.tasks), prefix="/tasks")
        app.include_router(tasks_router(self.tasks, authorize=_nobody), prefix="/private")
        add_problem_handlers(app)

        @self.tasks.task(name="scrape", timeout=60, attempts=2)
        async def scrape(url: str, context: Context) -> dict[str, Any]:
            if "missing" in url:
                raise PublicError("The server answered 404 Not Found.")
            context.progress(0.4, "12 of 30 pages")
            self.halfway.set()
            await self.go.wait()
            return {"url": url, "pages": 30}

        @app.post("/scrape")
        async def start(url: str, response: Response, key: IdempotencyKey) -> Any:
            return accepted(await scrape.using(key=key).asubmit(url), response, prefix="/tasks")

        @app.post("/broken")
        async def broken() -> None:
            await scrape.asubmit()

        return app

    async def play(self) -> dict[str, str]:
        transport = httpx.ASGITransport(self.app)
        async with self.tasks.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://x") as self.client:
            await self._success()
            await self._failure()
            await self._keys()
            await self._problems()
        return self.told

    async def _success(self) -> None:
        submitted = await self._record("submit", "POST", "/scrape?url=https://example.org")
        place = submitted.headers["location"]
        await asyncio.wait_for(self.halfway.wait(), 20)
        await self._until(place, lambda body: body["progress"] is not None)
        running = await self._record("running", "GET", place)
        await self._record("unchanged", "GET", place, {"If-None-Match": running.headers["etag"]})
        task_id = place.rpartition("/")[2]
        asking = asyncio.create_task(self._record("long-poll", "GET", place, {"Prefer": "wait=20"}))
        await until(lambda: task_id in self.tasks.ledger.bell.watched())
        self.go.set()
        await asking
        await self._record("settled", "GET", place)
        await self._record("cancel-settled", "POST", f"{place}/cancel")

    async def _failure(self) -> None:
        answer = await self.client.post("/scrape?url=https://example.org/missing")
        place = answer.headers["location"]
        await self._until(place, lambda body: body["settled"])
        await self._record("failed", "GET", place)
        await self._record("retry", "POST", f"{place}/retry")
        self.go.clear()
        answer = await self.client.post("/scrape?url=https://example.org")
        await self._until(answer.headers["location"], lambda body: body["progress"] is not None)
        await self._record("cancel", "POST", f"{answer.headers['location']}/cancel")
        self.go.set()

    async def _keys(self) -> None:
        key = {"Idempotency-Key": "b0f3c8"}
        await self._record("submit-with-key", "POST", "/scrape?url=https://example.org", key)
        await self._record("other-arguments", "POST", "/scrape?url=https://example.net", key)

    async def _problems(self) -> None:
        now = self.tasks.ledger.store.now()
        await self._record("script", "GET", "/tasks/settled.js")
        await self._record("bad-arguments", "POST", "/broken")
        await self._record("unknown", "GET", f"/tasks/{new_id(now)}")
        await self._record("no-id", "GET", "/tasks/42")
        await self._record("pruned", "GET", f"/tasks/{new_id(now - 8 * 86_400_000)}")
        task = await self.tasks.asubmit("scrape", "https://example.org")
        await self._record("not-signed-in", "GET", f"/private/{task.id}")
        await self._record("cross-site", "POST", f"/tasks/{task.id}/cancel", {"Sec-Fetch-Site": "cross-site"})
        await task
        self.ledger.rename(self.ledger.with_name("away"))
        await self._record("away", "POST", "/scrape?url=https://example.org")
        self.ledger.with_name("away").rename(self.ledger)

    async def _record(self, name: str, method: str, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        answer = await self.client.request(method, path, headers=headers)
        asked = "".join(f"{key}: {value}\n" for key, value in (headers or {}).items())
        shown = "".join(
            f"{ITSELF.get(key, key.title())}: {value}\n" for key, value in answer.headers.items() if key not in LEFT_OUT
        )
        body = f"\n{_readable(answer)}\n" if answer.content else ""
        self.told[name] = (
            f"{method} {path} HTTP/1.1\n{asked}\nHTTP/1.1 {answer.status_code} {answer.reason_phrase}\n{shown}{body}"
        )
        return answer

    async def _until(self, place: str, true: Callable[[Any], bool]) -> None:
        """Look again and again, for a bounded time; each look is a long poll."""
        async with asyncio.timeout(20):
            while not true((await self.client.get(place, headers={"Prefer": "wait=1"})).json()):
                pass


async def _nobody(request: Request, task: Snapshot) -> bool:
    raise NotSignedIn(challenge='Bearer realm="tasks"')


def _readable(answer: httpx.Response) -> str:
    if "json" in answer.headers["content-type"]:
        return json.dumps(answer.json(), indent=2)
    return "// the module's text"
