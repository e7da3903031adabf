"""Server-sent events: the task as it stands, every change, the last word last; nothing is held by who has left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from settled.errors import LedgerUnavailable
from settled.ids import new_id
from settled.web import stream
from tests.web.world import BOUND, PREFIX, World, raw_get, until

pytestmark = pytest.mark.anyio


class Listener:
    """A client of ``/events`` (or of another path) that leaves when it is told to, and what it has heard."""

    def __init__(self, world: World, task_id: str, path: str = "/events", **headers: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self.leave = asyncio.Event()
        pairs = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
        self.done = asyncio.create_task(raw_get(world.app(), f"{task_id}{path}", self.leave, self.sent, "GET", pairs))

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = self.text.splitlines()
        return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]

    @property
    def ids(self) -> list[str]:
        return [line.removeprefix("id: ") for line in self.text.splitlines() if line.startswith("id: ")]

    async def ends(self) -> None:
        await asyncio.wait_for(self.done, BOUND)


async def test_a_stream_tells_the_task_every_change_and_the_last_word_last(world: World) -> None:
    task_id = await running(world)
    heard = Listener(world, task_id)
    await until(lambda: heard.events)
    world.step.set()
    await until(lambda: len(heard.events) == 2)
    world.go.set()
    await heard.ends()
    assert [(event["settled"], event["result"]) for event in heard.events] == [
        (False, None), (False, None), (True, "held"),
    ]  # fmt: skip
    assert heard.events[1]["progress"]["fraction"] == 0.5
    assert len(set(heard.ids)) == 3
    assert not heard.sent[-1].get("more_body")
    assert world.watched() == []


async def test_a_stream_says_at_once_that_it_is_one_and_that_nothing_may_hold_it_back(world: World) -> None:
    heard = Listener(world, await running(world))
    await until(lambda: len(heard.sent) > 1)
    assert heard.headers[b"content-type"] == b"text/event-stream"
    assert heard.headers[b"cache-control"] == b"no-store, no-transform"
    assert heard.headers[b"x-accel-buffering"] == b"no"
    assert heard.text.startswith("retry: ")
    heard.leave.set()
    await heard.ends()


async def test_who_takes_a_stream_is_given_one_at_the_address_of_the_task_too(world: World) -> None:
    task_id = await running(world)
    heard = Listener(world, task_id, "", accept="text/event-stream, application/json")
    await until(lambda: heard.events)
    world.step.set()
    world.go.set()
    await heard.ends()
    assert heard.events[-1]["result"] == "held"
    settled = Listener(world, task_id, "", accept="text/event-stream, application/json")
    await settled.ends()
    assert settled.headers[b"content-type"] == b"application/json"


async def test_a_task_that_settled_before_is_one_event_and_after_that_204(
    world: World, client: httpx.AsyncClient
) -> None:
    row = await world.settle("add", 1, 2)
    heard = Listener(world, row.id)
    await heard.ends()
    assert [event["result"] for event in heard.events] == [3]
    again = await client.get(f"{PREFIX}/{row.id}/events", headers={"Last-Event-ID": heard.ids[-1]})
    assert (again.status_code, again.content) == (204, b"")


@pytest.mark.parametrize("header", ["last_event_id", "if_none_match"])
async def test_what_the_client_has_heard_is_not_told_again(
    world: World, client: httpx.AsyncClient, header: str
) -> None:
    task_id = await running(world)
    tag = (await client.get(f"{PREFIX}/{task_id}")).headers["etag"]
    heard = Listener(world, task_id, **{header: tag})
    await world.watching(task_id)
    world.step.set()
    await until(lambda: heard.events)
    assert [event["progress"]["fraction"] for event in heard.events] == [0.5]
    heard.leave.set()
    await heard.ends()


async def test_the_end_between_two_streams_is_told_at_the_second(world: World, client: httpx.AsyncClient) -> None:
    task_id = await running(world)
    tag = (await client.get(f"{PREFIX}/{task_id}")).headers["etag"]
    world.step.set()
    world.go.set()
    await until(lambda: world.tasks.get(task_id).settled)
    heard = Listener(world, task_id, last_event_id=tag)
    await heard.ends()
    assert [event["settled"] for event in heard.events] == [True]


async def test_a_change_between_the_look_at_the_door_and_the_stream_is_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await running(world)
    listen = world.tasks.ledger.bell.listen

    def late(*args: Any) -> Any:
        ear = listen(*args)
        world.step.set()
        world.go.set()
        return ear

    monkeypatch.setattr(world.tasks.ledger.bell, "listen", late)
    heard = Listener(world, task_id)
    await heard.ends()
    assert heard.events[-1]["result"] == "held"


async def test_a_client_that_leaves_a_stream_is_forgotten_at_once(world: World) -> None:
    heard = Listener(world, await running(world))
    await until(lambda: heard.events)
    heard.leave.set()
    await heard.ends()
    assert world.watched() == []


async def test_a_stream_that_is_cancelled_leaves_nothing_behind(world: World) -> None:
    heard = Listener(world, await running(world))
    await until(lambda: heard.events)
    heard.done.cancel()
    with suppress(asyncio.CancelledError):
        await heard.done
    await until(lambda: world.watched() == [])


async def test_a_process_that_is_told_to_end_ends_its_streams_at_once(world: World) -> None:
    task_id = await running(world)
    heard = [Listener(world, task_id) for _ in range(20)]
    await until(lambda: all(one.events for one in heard))
    world.tasks._service.begin_closing()
    for one in heard:
        await one.ends()
        assert one.sent[-1] == {"type": "http.response.body", "body": b""}


async def test_a_silent_stream_is_kept_alive_without_a_look(
    world: World, looks: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE", 0.01)
    heard = Listener(world, await running(world))
    await until(lambda: heard.events)
    before = looks()
    await until(lambda: heard.text.count("\n:\n") > 5)
    assert looks() == before
    heard.leave.set()
    await heard.ends()


async def test_a_stream_ends_when_its_box_is_full(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BOX", 0.05)
    heard = Listener(world, await running(world))
    await heard.ends()
    assert [event["settled"] for event in heard.events] == [False]


async def test_a_database_that_goes_away_ends_a_stream(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = await running(world)
    heard = Listener(world, task_id)
    await until(lambda: heard.events)

    async def away(task_id: str) -> None:
        raise LedgerUnavailable("The disk is gone.", retry_after=3.2)

    monkeypatch.setattr(world.tasks.ledger, "aget", away)
    world.tasks.ledger.bell.ring([task_id])
    await heard.ends()
    assert heard.sent[-1] == {"type": "http.response.body", "body": b""}


async def test_the_stream_of_an_unknown_task_is_a_problem(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PREFIX}/{new_id(world.tasks.ledger.store.now())}/events")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_result_on_several_lines_is_one_event(world: World, client: httpx.AsyncClient) -> None:
    task = world.tasks.create("by hand")
    with world.tasks.settling(task) as settling:
        settling.result = {"a\nb": "c\r\nd"}
    heard = Listener(world, task.id)
    await heard.ends()
    assert heard.events[-1]["result"] == {"a\nb": "c\r\nd"}


async def running(world: World) -> str:
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
