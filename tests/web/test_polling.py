"""Polls that cost little, and polls that wait: ETag and 304, ``Prefer: wait=N``, clients that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from settled.errors import LedgerUnavailable
from tests.web.world import BOUND, PREFIX, World, raw_get, until

pytestmark = pytest.mark.anyio


async def test_a_settled_task_that_the_client_has_is_not_sent_again(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 1, 2)
    first = await client.get(f"{PREFIX}/{row.id}")
    again = await client.get(f"{PREFIX}/{row.id}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == first.headers["cache-control"]


async def test_the_tag_of_an_open_task_stays_while_only_time_passes(world: World, client: httpx.AsyncClient) -> None:
    task_id = await held(world)
    first = await client.get(f"{PREFIX}/{task_id}")
    store = world.tasks.ledger.store
    seen_at = store.now()
    await until(lambda: store.now() > seen_at + 20)
    second = await client.get(f"{PREFIX}/{task_id}")
    assert second.json()["settles_in"] < first.json()["settles_in"]
    assert second.headers["etag"] == first.headers["etag"]
    known = await client.get(f"{PREFIX}/{task_id}", headers={"If-None-Match": first.headers["etag"]})
    assert (known.status_code, known.headers["cache-control"]) == (304, "no-store")


async def test_the_tag_changes_with_every_change_that_is_told(world: World, client: httpx.AsyncClient) -> None:
    task_id = await held(world)
    tags = [(await client.get(f"{PREFIX}/{task_id}")).headers["etag"]]
    world.step.set()
    await until(lambda: world.tasks.get(task_id).progress)
    tags.append((await client.get(f"{PREFIX}/{task_id}")).headers["etag"])
    world.go.set()
    await until(lambda: world.tasks.get(task_id).settled)
    tags.append((await client.get(f"{PREFIX}/{task_id}")).headers["etag"])
    assert len(set(tags)) == 3


@pytest.mark.parametrize("form", ["{}", '"other", {}', "W/{}", "*", '"a",{},"b"'])
async def test_every_form_of_if_none_match_is_understood(world: World, client: httpx.AsyncClient, form: str) -> None:
    row = await world.settle("add", 1, 2)
    tag = (await client.get(f"{PREFIX}/{row.id}")).headers["etag"]
    answer = await client.get(f"{PREFIX}/{row.id}", headers={"If-None-Match": form.format(tag)})
    assert answer.status_code == 304


async def test_another_tag_is_answered_in_full(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 1, 2)
    answer = await client.get(f"{PREFIX}/{row.id}", headers={"If-None-Match": '"another"'})
    assert (answer.status_code, answer.json()["result"]) == (200, 3)


async def test_a_long_poll_is_answered_by_the_end_and_not_late(world: World, client: httpx.AsyncClient) -> None:
    task_id = await held(world)
    world.step.set()
    await until(lambda: world.tasks.get(task_id).progress)
    poll = asyncio.create_task(client.get(f"{PREFIX}/{task_id}", headers={"Prefer": "wait=30"}))
    await world.watching(task_id)
    world.go.set()
    answer = await asyncio.wait_for(poll, BOUND)
    assert answer.json()["result"] == "held"
    assert answer.headers["preference-applied"] == "wait=30"


async def test_a_long_poll_is_answered_by_progress_too(world: World, client: httpx.AsyncClient) -> None:
    task_id = await held(world)
    poll = asyncio.create_task(client.get(f"{PREFIX}/{task_id}", headers={"Prefer": "wait=30"}))
    await world.watching(task_id)
    world.step.set()
    answer = await asyncio.wait_for(poll, BOUND)
    assert answer.json()["progress"]["fraction"] == 0.5


async def test_a_bell_that_rings_for_nothing_ends_no_long_poll(
    world: World, client: httpx.AsyncClient, looks: Callable[[], int]
) -> None:
    task_id = await held(world)
    poll = asyncio.create_task(client.get(f"{PREFIX}/{task_id}", headers={"Prefer": "wait=30"}))
    await world.watching(task_id)
    before = looks()
    world.tasks.ledger.bell.ring([task_id])
    await until(lambda: looks() > before and task_id in world.watched())
    assert not poll.done()
    world.step.set()
    assert (await asyncio.wait_for(poll, BOUND)).json()["progress"] is not None


async def test_a_change_between_two_long_polls_is_told_at_once(world: World, client: httpx.AsyncClient) -> None:
    task_id = await held(world)
    tag = (await client.get(f"{PREFIX}/{task_id}")).headers["etag"]
    world.step.set()
    await until(lambda: world.tasks.get(task_id).progress)
    poll = client.get(f"{PREFIX}/{task_id}", headers={"Prefer": "wait=30", "If-None-Match": tag})
    assert (await asyncio.wait_for(poll, BOUND)).status_code == 200


async def test_a_change_while_the_asker_is_let_in_is_not_missed(world: World) -> None:
    task_id = await held(world)

    async def slow_door(request: Any, task: Any) -> bool:
        world.step.set()
        await until(lambda: world.tasks.get(task_id).progress)
        return True

    async with world.client(authorize=slow_door) as client:
        poll = client.get(f"{PREFIX}/{task_id}", headers={"Prefer": "wait=30"})
        assert (await asyncio.wait_for(poll, BOUND)).json()["progress"]["fraction"] == 0.5


async def test_a_long_poll_for_what_is_known_waits_for_something_else(world: World, client: httpx.AsyncClient) -> None:
    task_id = await held(world)
    tag = (await client.get(f"{PREFIX}/{task_id}")).headers["etag"]
    headers = {"Prefer": "wait=30", "If-None-Match": tag}
    poll = asyncio.create_task(client.get(f"{PREFIX}/{task_id}", headers=headers))
    await world.watching(task_id)
    world.step.set()
    answer = await asyncio.wait_for(poll, BOUND)
    assert (answer.status_code, answer.json()["progress"]["fraction"]) == (200, 0.5)


async def test_a_long_poll_in_which_nothing_happens_ends_in_time(world: World, client: httpx.AsyncClient) -> None:
    task_id = await held(world)
    plain = await client.get(f"{PREFIX}/{task_id}", headers={"Prefer": "wait=1"})
    headers = {"Prefer": "wait=1", "If-None-Match": plain.headers["etag"]}
    known = await client.get(f"{PREFIX}/{task_id}", headers=headers)
    assert (plain.status_code, plain.json()["settled"]) == (200, False)
    assert (known.status_code, known.headers["preference-applied"]) == (304, "wait=1")


async def test_a_settled_task_makes_nobody_wait(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 1, 2)
    tag = (await client.get(f"{PREFIX}/{row.id}")).headers["etag"]
    headers = {"Prefer": "wait=30", "If-None-Match": tag}
    assert (await asyncio.wait_for(client.get(f"{PREFIX}/{row.id}", headers=headers), BOUND)).status_code == 304


@pytest.mark.parametrize("wish", ["wait", "wait=", "wait=soon", "wait=-5", "wait=1.5", "respond-async", 'wait="'])
async def test_a_wish_that_makes_no_sense_is_ignored(world: World, client: httpx.AsyncClient, wish: str) -> None:
    task_id = await held(world)
    answer = await client.get(f"{PREFIX}/{task_id}", headers={"Prefer": wish})
    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


async def test_all_who_wait_for_one_task_are_told(world: World, client: httpx.AsyncClient) -> None:
    task_id = await held(world)
    polls = [asyncio.create_task(client.get(f"{PREFIX}/{task_id}", headers={"Prefer": "wait=30"})) for _ in range(20)]
    await world.watching(task_id)
    world.step.set()
    answers = await asyncio.wait_for(asyncio.gather(*polls), BOUND)
    assert {answer.json()["progress"]["fraction"] for answer in answers} == {0.5}


async def test_a_client_that_leaves_is_waited_for_no_longer(world: World) -> None:
    task_id = await held(world)
    leave, sent = asyncio.Event(), []
    poll = asyncio.create_task(raw_get(world.app(), task_id, leave, sent))
    await world.watching(task_id)
    leave.set()
    await asyncio.wait_for(poll, BOUND)
    assert world.watched() == []
    assert [message for message in sent if message.get("status") == 200] == []


async def test_a_request_that_is_cancelled_leaves_nothing_behind(world: World) -> None:
    task_id = await held(world)
    poll = asyncio.create_task(raw_get(world.app(), task_id, asyncio.Event(), []))
    await world.watching(task_id)
    poll.cancel()
    await asyncio.wait([poll])
    await until(lambda: world.watched() == [])


async def test_a_server_that_shuts_down_answers_who_waits(world: World, client: httpx.AsyncClient) -> None:
    task_id = await held(world)
    poll = asyncio.create_task(client.get(f"{PREFIX}/{task_id}", headers={"Prefer": "wait=30"}))
    await world.watching(task_id)
    world.tasks._service.begin_closing()
    answer = await asyncio.wait_for(poll, BOUND)
    assert (answer.status_code, answer.json()["settled"]) == (200, False)


async def test_a_ledger_that_goes_away_during_a_long_poll_is_said(
    world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await held(world)
    poll = asyncio.create_task(client.get(f"{PREFIX}/{task_id}", headers={"Prefer": "wait=30"}))
    await world.watching(task_id)

    async def away(task_id: str) -> None:
        raise LedgerUnavailable("The disk is gone.", retry_after=3.2)

    monkeypatch.setattr(world.tasks.ledger, "aget", away)
    world.tasks.ledger.bell.ring([task_id])
    answer = await asyncio.wait_for(poll, BOUND)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "4")


async def held(world: World) -> str:
    """A task that runs, and goes on only when the test says so."""
    task_id = await world.submit("hold")
    await until(lambda: world.ran)
    return task_id


@pytest.fixture
def looks(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often the ledger was read."""
    ledger = world.tasks.ledger
    count, aget = 0, ledger.aget

    async def counted(task_id: str) -> Any:
        nonlocal count
        count += 1
        return await aget(task_id)

    monkeypatch.setattr(ledger, "aget", counted)
    return lambda: count
