"""What ``GET /{id}`` says of a task, whatever became of it."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from datetime import datetime
from typing import Any

import httpx
import pytest

from settled.ids import new_id
from tests.web.world import PREFIX, World, raw_get, until

pytestmark = pytest.mark.anyio

KEYS = [
    "id", "name", "status", "settled", "result", "error", "progress", "attempt", "max_attempts",
    "created_at", "started_at", "finished_at", "settles_at", "settles_in", "retry_after",
]  # fmt: skip
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_an_open_task_is_the_object_of_the_contract(world: World, client: httpx.AsyncClient) -> None:
    task_id = await world.submit("hold")
    answer = await client.get(f"{PREFIX}/{task_id}")
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(body) == KEYS
    assert (body["id"], body["name"], body["settled"]) == (task_id, "hold", False)
    assert body["status"] in ("pending", "running")
    assert (body["result"], body["error"], body["progress"], body["finished_at"]) == (None, None, None, None)
    assert 1200 < body["settles_in"] <= 1230  # ten minutes to start, ten to run, and the lease
    assert 0.25 <= body["retry_after"] <= 5
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store"


async def test_a_completed_task_has_its_result_and_no_error(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 1, 2)
    answer = await client.get(f"{PREFIX}/{row.id}")
    body = answer.json()
    assert list(body) == KEYS
    assert (body["status"], body["settled"], body["result"], body["error"]) == ("completed", True, 3, None)
    assert (body["attempt"], body["max_attempts"], body["settles_in"], body["retry_after"]) == (1, 1, 0, 0)
    assert "retry-after" not in answer.headers


async def test_a_failed_task_is_a_200_too_and_says_why(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("fail", "x")
    answer = await client.get(f"{PREFIX}/{row.id}")
    body = answer.json()
    assert answer.status_code == 200
    assert (body["status"], body["settled"], body["result"]) == ("failed", True, None)
    assert body["error"] == {"reason": "exception", "message": "no such thing, 26", "type": "ValueError"}


async def test_instants_are_utc_with_milliseconds_and_in_order(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 1, 2)
    body = (await client.get(f"{PREFIX}/{row.id}")).json()
    instants = [body[name] for name in ("created_at", "started_at", "finished_at", "settles_at")]
    assert all(INSTANT.fullmatch(instant) for instant in instants)
    assert instants == sorted(instants)
    assert datetime.fromisoformat(body["finished_at"]).timestamp() * 1000 == row.finished_at


async def test_progress_is_told(world: World, client: httpx.AsyncClient) -> None:
    task_id = await world.submit("hold")
    world.step.set()
    await until(lambda: world.tasks.get(task_id).progress)
    body = (await client.get(f"{PREFIX}/{task_id}")).json()
    assert body["progress"] == {"fraction": 0.5, "message": "half «way»"}


@pytest.mark.parametrize(
    "value",
    ["Ünïcödé 🚀 \u2028", {"a": [1, 2.5, None, {"<script>": True}]}, "", 0, False, [], 2**70, '"}, "settled": false'],
)
async def test_a_result_arrives_as_it_was_returned(world: World, client: httpx.AsyncClient, value: object) -> None:
    row = await world.settle("echo", value)
    body = (await client.get(f"{PREFIX}/{row.id}")).json()
    assert body["result"] == value
    assert body["settled"] is True


async def test_what_is_settled_may_be_kept_for_ever_by_the_asker_alone(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 1, 2)
    answer = await client.get(f"{PREFIX}/{row.id}")
    assert answer.headers["cache-control"] == "private, max-age=604800, immutable"
    assert "vary" not in answer.headers


async def test_the_app_may_let_everybody_keep_it(world: World) -> None:
    row = await world.settle("add", 1, 2)
    async with world.client(public_cache=True) as client:
        answer = await client.get(f"{PREFIX}/{row.id}")
    assert answer.headers["cache-control"] == "public, max-age=604800, immutable"


async def test_what_depends_on_who_asks_is_not_kept_for_the_next_one(world: World) -> None:
    row = await world.settle("add", 1, 2)
    async with world.client(authorize=lambda request, task: True) as client:
        answer = await client.get(f"{PREFIX}/{row.id}")
    assert answer.headers["vary"] == "Authorization, Cookie"


async def test_head_is_get_without_the_body(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 1, 2)
    got, head = await client.get(f"{PREFIX}/{row.id}"), await client.head(f"{PREFIX}/{row.id}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == got.headers
    sent: list[Any] = []
    await raw_get(world.app(), row.id, asyncio.Event(), sent, "HEAD")
    assert b"".join(message.get("body", b"") for message in sent) == b""


@pytest.mark.parametrize(
    ("written", "told"),
    [('{"a": "é"}', {"a": "é"}), ("plain words", "plain words"), ("NaN", "NaN"), ("[1, NaN]", "[1, NaN]"), ("", "")],
)
async def test_a_result_written_by_hand_never_breaks_the_object(
    world: World, client: httpx.AsyncClient, written: str, told: object
) -> None:
    task_id = by_hand(world, "UPDATE task_results SET status = 'completed', result_data = ? WHERE id = ?", written)
    body = (await client.get(f"{PREFIX}/{task_id}")).json()
    assert (body["status"], body["settled"], body["result"]) == ("completed", True, told)


async def test_a_failure_written_by_hand_has_a_reason_and_its_message(world: World, client: httpx.AsyncClient) -> None:
    task_id = by_hand(world, "UPDATE task_results SET status = 'failed', error_message = ? WHERE id = ?", 'a "quote"')
    body = (await client.get(f"{PREFIX}/{task_id}")).json()
    assert body["error"] == {"reason": "exception", "message": 'a "quote"', "type": None}


async def test_an_answer_is_one_json_object_in_ascii(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("echo", "é")
    answer = await client.get(f"{PREFIX}/{row.id}")
    assert answer.content.isascii()
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert json.loads(answer.content)["result"] == "é"


def by_hand(world: World, sql: str, value: str) -> str:
    """Write a row as the published pattern does, past the library."""
    task_id = new_id(world.tasks.ledger.store.now())
    path = world.tasks.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=10)) as db, db:
        db.execute("INSERT INTO task_results (id) VALUES (?)", (task_id,))
        db.execute(sql, (value, task_id))
    return task_id
