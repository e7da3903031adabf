"""A person's hand over HTTP: cancel, and try again."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.web.world import PREFIX, World, until

pytestmark = pytest.mark.anyio


async def test_cancel_settles_an_open_task_and_shows_it(world: World, client: httpx.AsyncClient) -> None:
    task_id = await world.submit("hold")
    answer = await client.post(f"{PREFIX}/{task_id}/cancel")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.json()["status"], answer.json()["error"]["reason"]) == ("failed", "cancelled")
    assert (await client.get(f"{PREFIX}/{task_id}")).json() == answer.json()


async def test_what_has_settled_cannot_be_cancelled(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 1, 2)
    answer = await client.post(f"{PREFIX}/{row.id}/cancel")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:settled:not-allowed"
    assert (await client.get(f"{PREFIX}/{row.id}")).json()["result"] == 3


async def test_retry_is_a_new_task_with_the_same_arguments(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 40, 2)
    answer = await client.post(f"{PREFIX}/{row.id}/retry")
    body = answer.json()
    assert answer.status_code == 202
    assert body["id"] != row.id
    assert answer.headers["location"] == f"{PREFIX}/{body['id']}"
    assert int(answer.headers["retry-after"]) >= 1
    await until(lambda: world.tasks.get(body["id"]).settled)
    assert (await client.get(answer.headers["location"])).json()["result"] == 42
    assert world.tasks.get(body["id"]).retry_of == row.id


async def test_retry_asked_for_again_is_the_same_task(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("fail", "x")
    answers = await asyncio.gather(*(client.post(f"{PREFIX}/{row.id}/retry") for _ in range(5)))
    answers.append(await client.post(f"{PREFIX}/{row.id}/retry"))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.headers["location"] for answer in answers}) == 1


async def test_what_is_still_open_cannot_be_tried_again(world: World, client: httpx.AsyncClient) -> None:
    task_id = await world.submit("hold")
    answer = await client.post(f"{PREFIX}/{task_id}/retry")
    assert (answer.status_code, answer.json()["status"]) == (409, 409)
    assert "still" in answer.json()["detail"]


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_a_page_of_another_site_changes_nothing(world: World, client: httpx.AsyncClient, verb: str) -> None:
    task_id = await world.submit("hold") if verb == "cancel" else (await world.settle("add", 1, 2)).id
    before = len(world.tasks.ledger.list())
    answer = await client.post(f"{PREFIX}/{task_id}/{verb}", headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:settled:cross-site")
    assert len(world.tasks.ledger.list()) == before
    assert world.tasks.get(task_id).reason is None


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
async def test_a_page_of_the_own_site_may(world: World, client: httpx.AsyncClient, site: str) -> None:
    task_id = await world.submit("hold")
    answer = await client.post(f"{PREFIX}/{task_id}/cancel", headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 200


async def test_a_body_that_nobody_asked_for_does_no_harm(world: World, client: httpx.AsyncClient) -> None:
    task_id = await world.submit("hold")
    answer = await client.post(f"{PREFIX}/{task_id}/cancel", content=b"\xff" * 100_000)
    assert answer.status_code == 200
