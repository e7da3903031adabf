"""Batches over HTTP: counts, pages in order, what has changed, why tasks failed, who may see it; over both faces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from settled import NotAllowed, PublicError, Tasks
from settled.errors import LedgerUnavailable
from settled.ids import new_id
from settled.web.batches import BatchesApp
from settled.web.fastapi_batches import BatchBody, batches_router
from tests.postgres import ground
from tests.web.world import BOUND, App, client_of

pytestmark = pytest.mark.anyio
PREFIX = "/batches"


def bare(tasks: Tasks, **options: Any) -> App:
    inner = BatchesApp(tasks, **options)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "root_path": PREFIX}, receive, send)

    return app


def framed(tasks: Tasks, **options: Any) -> App:
    app = FastAPI()
    app.include_router(batches_router(tasks, **options), prefix=PREFIX)
    return app


class World:
    """Task functions whose end a test decides, and clients of the app that serves their batches."""

    def __init__(self, url: str, face: Any) -> None:
        self.tasks = Tasks(url, drain=0)
        self.face = face
        self.go = asyncio.Event()

        @self.tasks.task(name="odd")
        async def odd(number: int) -> int:
            """Fails for even numbers, publicly for multiples of four; zero waits."""
            if number == 0:
                await self.go.wait()
            elif number % 4 == 0:
                raise PublicError("No multiples of four, please.")
            elif number % 2 == 0:
                raise ValueError("even")
            return number

    def client(self, **options: Any) -> httpx.AsyncClient:
        return client_of(self.face(self.tasks, **options))

    async def submit(self, *numbers: int, owner: str | None = None) -> str:
        return (await self.tasks.functions["odd"].using(owner=owner).asubmit_many(numbers)).id

    async def settle(self, *numbers: int, owner: str | None = None) -> str:
        batch = await self.submit(*numbers, owner=owner)
        await (await self.tasks.abatch(batch)).await_(BOUND)
        return batch

    async def holding(self, *numbers: int) -> str:
        """A batch of these and one that runs until ``go``; all of these have settled."""
        batch = await self.submit(*numbers, 0)
        end = asyncio.get_running_loop().time() + BOUND
        while (counts := (await self.tasks.abatch(batch)).snapshot.counts) and (
            counts["pending"],
            counts["running"],
        ) != (0, 1):
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.01)
        return batch


@pytest.fixture(params=["asgi", "fastapi", "asgi-postgres"])
async def batches(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    where = ground.take() if request.param.endswith("postgres") else None
    face = framed if request.param == "fastapi" else bare
    made = World(where.url if where else f"sqlite:///{tmp_path / 'tasks.db'}", face)
    async with made.tasks.lifespan():
        yield made
        made.go.set()
    if where is not None:
        ground.give_back(where)


@pytest.fixture
async def http(batches: World) -> AsyncIterator[httpx.AsyncClient]:
    async with batches.client() as client:
        yield client


async def test_a_settled_batch_says_how_many_failed_and_why_and_may_be_kept(
    batches: World, http: httpx.AsyncClient
) -> None:
    batch = await batches.settle(1, 2, 3, 6, 4, 5)
    answer = await http.get(f"{PREFIX}/{batch}")
    told = answer.json()
    BatchBody.model_validate(told)
    assert (told["id"], told["name"], told["settled"], told["total"]) == (batch, "odd", True, 6)
    assert told["counts"] == {"pending": 0, "running": 0, "completed": 3, "failed": 3}
    assert told["failures"] == [
        {"reason": "exception", "message": "even", "count": 2},
        {"reason": "exception", "message": "No multiples of four, please.", "count": 1},
    ]
    assert told["error"]["message"] == "3 of 6 tasks failed: 2 × even; 1 × No multiples of four, please."
    assert (told["status"], told["error"]["reason"], told["progress"]["fraction"]) == ("failed", "exception", 1)
    assert [task["result"] for task in told["tasks"]] == [1, None, 3, None, None, 5]
    assert [task["status"] for task in told["tasks"]][:2] == ["completed", "failed"]
    assert (told["settles_in"], told["retry_after"], told["next"]) == (0, 0, None)
    assert told["finished_at"] >= told["created_at"]
    assert answer.headers["cache-control"].startswith("private, max-age=")
    known = {"If-None-Match": answer.headers["etag"]}
    assert (await http.get(f"{PREFIX}/{batch}", headers=known)).status_code == 304
    assert (await http.head(f"{PREFIX}/{batch}")).headers["content-length"] == answer.headers["content-length"]


async def test_with_public_errors_only_what_was_meant_for_users_is_told_and_the_rest_is_one(batches: World) -> None:
    batch = await batches.settle(2, 4)
    async with batches.client(errors="public") as client:
        told = (await client.get(f"{PREFIX}/{batch}")).json()
    messages = {failure["message"]: failure["count"] for failure in told["failures"]}
    assert messages == {"The task ran into an error.": 1, "No multiples of four, please.": 1}
    assert "even" not in str(told)


async def test_pages_come_in_the_order_submitted_and_the_last_one_says_so(
    batches: World, http: httpx.AsyncClient
) -> None:
    batch = await batches.settle(*range(1, 251, 2))
    results: list[int] = []
    after, pages = "", 0
    while after is not None:
        told = (await http.get(f"{PREFIX}/{batch}?limit=50&after={after}")).json()
        results += [task["result"] for task in told["tasks"]]
        after, pages = told["next"], pages + 1
    assert results == list(range(1, 251, 2))
    assert pages == 3
    assert len((await http.get(f"{PREFIX}/{batch}")).json()["tasks"]) == 100


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "limit=-1", "limit=9999999999999", "after=%00"])
async def test_a_query_that_makes_no_sense_is_refused(batches: World, http: httpx.AsyncClient, query: str) -> None:
    batch = await batches.settle(1)
    answer = await http.get(f"{PREFIX}/{batch}?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_what_has_changed_is_told_from_a_cursor_on(batches: World, http: httpx.AsyncClient) -> None:
    batch = await batches.holding(1, 3)
    first = (await http.get(f"{PREFIX}/{batch}")).json()
    assert first["settled"] is False
    assert first["retry_after"] > 0
    batches.go.set()
    await (await batches.tasks.abatch(batch)).await_(BOUND)
    told = (await http.get(f"{PREFIX}/{batch}?changed_since={first['cursor']}")).json()
    assert first["tasks"][2]["id"] in [task["id"] for task in told["tasks"]]
    assert (told["settled"], told["more"]) == (True, False)
    everything = (await http.get(f"{PREFIX}/{batch}?changed_since=0&limit=2")).json()
    assert (len(everything["tasks"]), everything["more"]) == (2, True)
    rest = (await http.get(f"{PREFIX}/{batch}?changed_since={everything['cursor']}&limit=2")).json()
    assert (len(rest["tasks"]), rest["more"]) == (1, False)


async def test_a_poll_that_waits_is_answered_by_the_change_or_in_time(batches: World, http: httpx.AsyncClient) -> None:
    batch = await batches.holding(1)
    known = (await http.get(f"{PREFIX}/{batch}")).headers["etag"]
    short = await http.get(f"{PREFIX}/{batch}", headers={"Prefer": "wait=1", "If-None-Match": known})
    assert (short.status_code, short.headers["preference-applied"]) == (304, "wait=1")
    waiting = asyncio.ensure_future(
        http.get(f"{PREFIX}/{batch}", headers={"Prefer": "wait=30", "If-None-Match": known})
    )
    end = asyncio.get_running_loop().time() + BOUND
    while batch not in batches.tasks.ledger.bell.watched():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.005)
    batches.go.set()
    answer = await asyncio.wait_for(waiting, BOUND)
    assert answer.json()["settled"] is True
    again = await http.get(f"{PREFIX}/{batch}", headers={"Prefer": "wait=30"})
    assert again.json()["settled"] is True  # at once: nothing can change any more


async def test_a_batch_can_be_cancelled_and_what_failed_tried_again(batches: World, http: httpx.AsyncClient) -> None:
    batch = await batches.holding(1)
    assert (await http.post(f"{PREFIX}/{batch}/retry")).status_code == 409
    cancelled = await http.post(f"{PREFIX}/{batch}/cancel")
    assert (cancelled.status_code, cancelled.json()["counts"]["failed"]) == (200, 1)
    assert (await http.post(f"{PREFIX}/{batch}/cancel")).status_code == 409
    batches.go.set()
    again = await http.post(f"{PREFIX}/{batch}/retry")
    assert again.status_code == 202
    location = again.headers["location"]
    assert location == f"{PREFIX}/{again.json()['id']}"
    assert (await http.post(f"{PREFIX}/{batch}/retry")).headers["location"] == location
    await (await batches.tasks.abatch(again.json()["id"])).await_(BOUND)
    told = (await http.get(location)).json()
    assert (told["settled"], told["total"], told["tasks"][0]["result"]) == (True, 1, 0)


async def test_who_may_see_a_batch_is_as_with_a_task(batches: World) -> None:
    batch = await batches.settle(1, 2, owner="ada")
    seen: list[str] = []

    def allowed(request: Any, row: Any) -> bool:
        seen.append(row.batch)
        return bool(request.headers.get("x-user") == "root")

    async with batches.client(owner=lambda r: r.headers.get("x-user"), authorize=allowed) as client:
        for user, expected in {"ada": 200, "bob": 404, "root": 200}.items():
            assert (await client.get(f"{PREFIX}/{batch}", headers={"X-User": user})).status_code == expected
        assert (await client.post(f"{PREFIX}/{batch}/retry", headers={"X-User": "bob"})).status_code == 404
    assert set(seen) == {batch}
    async with batches.client() as client:
        assert (await client.get(f"{PREFIX}/{batch}")).status_code == 404


async def test_a_page_of_another_site_may_change_nothing(batches: World, http: httpx.AsyncClient) -> None:
    batch = await batches.settle(2)
    answer = await http.post(f"{PREFIX}/{batch}/retry", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


async def test_an_unknown_batch_a_task_and_nonsense_are_not_found(batches: World, http: httpx.AsyncClient) -> None:
    task = await batches.tasks.asubmit("odd", 1)
    for unknown in (new_id(batches.tasks.ledger.store.now()), task.id, "nonsense", "%00"):
        assert (await http.get(f"{PREFIX}/{unknown}")).status_code == 404
    assert (await http.put(f"{PREFIX}/{task.id}")).status_code == 405
    assert (await http.get(f"{PREFIX}/{task.id}/events")).status_code in (404, 405)


async def test_while_the_database_is_away_it_says_when_to_ask_again(
    batches: World, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await batches.settle(1)

    def away(*_: object, **__: object) -> None:
        raise LedgerUnavailable("away")

    monkeypatch.setattr(batches.tasks.ledger.store.batches, "states", away)
    answer = await http.get(f"{PREFIX}/{batch}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_every_endpoint_is_in_the_schema(batches: World) -> None:
    schema = framed(batches.tasks).openapi()  # type: ignore[attr-defined]
    assert {(path, *methods) for path, methods in schema["paths"].items()} == {
        ("/batches/{id}", "get"), ("/batches/{id}/cancel", "post"), ("/batches/{id}/retry", "post"),
    }  # fmt: skip
    parameters = {parameter["name"] for parameter in schema["paths"]["/batches/{id}"]["get"]["parameters"]}
    assert parameters == {"id", "after", "limit", "changed_since", "Prefer", "If-None-Match"}
    with pytest.raises(NotAllowed):
        batches.tasks.retry_batch(await batches.settle(1))
