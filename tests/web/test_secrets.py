"""What must never leave over HTTP, however the task ended."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from settled import PublicError, Reason, verdicts
from settled.records import Snapshot, WorkerRow
from settled.web import wire
from tests.web.world import ARGUMENT, PREFIX, SECRET, World

pytestmark = pytest.mark.anyio


async def everything(client: httpx.AsyncClient, task_id: str) -> str:
    """All bytes that the face gives for a task."""
    asked = [
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/fragment"),
        *((method, f"/{verb}") for method in ("POST", "GET") for verb in ("cancel", "retry")),
    ]
    answers = [await client.request(method, f"{PREFIX}/{task_id}{path}") for method, path in asked]
    return "".join(f"{answer.headers} {answer.text}" for answer in answers)


async def test_traceback_arguments_worker_owner_and_key_stay_inside(world: World) -> None:
    fail = world.tasks.functions["fail"].using(key="the-key-of-it", owner="the-owner-of-it")
    ending = await (await fail.asubmit(ARGUMENT)).await_(20)
    row = ending.snapshot
    assert row is not None
    assert "Traceback" in str(row.traceback)
    async with world.client(owner=lambda request: "the-owner-of-it") as client:
        told = await everything(client, row.id)
    assert "no such thing" in told
    for secret in (SECRET, ARGUMENT, "Traceback", "world.py", "the-key-of-it", "the-owner-of-it", str(row.worker)):
        assert secret not in told


async def test_credentials_in_a_message_are_stripped(world: World, client: httpx.AsyncClient) -> None:
    @world.tasks.task(name="connect")
    async def connect() -> None:
        raise ConnectionError("cannot reach postgres://app:hunter2@db/prod")

    row = await world.settle("connect")
    told = await everything(client, row.id)
    assert "cannot reach postgres://" in told
    assert "hunter2" not in told


def lost(row: Snapshot) -> Snapshot:
    """The row as it reads after its worker's machine went down."""
    worker = WorkerRow(str(row.worker), socket.gethostname(), 4711, "[]", 0, 0, 1000, 5, None, None, 9)
    verdict = verdicts.of_expiry(row, [worker])
    return row._replace(status=verdict.status, reason=verdict.reason, error_message=verdict.error_message)


async def test_the_machine_of_a_lost_worker_is_not_named(world: World) -> None:
    task_id = await world.submit("hold")
    row = lost(world.tasks.get(task_id))
    assert row.reason is Reason.WORKER_LOST
    assert socket.gethostname() in str(row.error_message)
    body = wire.body_of(row).decode()
    assert "was killed, crashed" in body
    assert socket.gethostname() not in body
    assert "4711" not in body


async def test_only_messages_for_users_pass_where_the_app_says_so(world: World) -> None:
    fail, speak = await world.settle("fail", "x"), await world.settle("speak")
    async with world.client(errors="public") as client:
        failed = (await client.get(f"{PREFIX}/{fail.id}")).json()["error"]
        spoken = (await client.get(f"{PREFIX}/{speak.id}")).json()["error"]
    assert failed == {"reason": "exception", "message": "The task ran into an error.", "type": None}
    assert spoken == {"reason": "exception", "message": "This address does not exist.", "type": "PublicError"}


async def test_what_caused_a_message_for_users_is_not_told_them(world: World, client: httpx.AsyncClient) -> None:
    @world.tasks.task(name="translate")
    async def translate() -> None:
        try:
            raise OSError("10.0.0.7 refused")
        except OSError as error:
            raise PublicError("Nobody answers there.") from error

    row = await world.settle("translate")
    assert (await client.get(f"{PREFIX}/{row.id}")).json()["error"]["message"] == "Nobody answers there."


async def test_another_error_of_the_same_name_is_not_for_the_public(world: World) -> None:
    namesake = type("PublicError", (Exception,), {})

    @world.tasks.task(name="mistake")
    async def mistake() -> None:
        raise namesake("an inner matter")

    row = await world.settle("mistake")
    async with world.client(errors="public") as client:
        assert "an inner matter" not in (await client.get(f"{PREFIX}/{row.id}")).text


async def test_a_cancelled_task_says_so_in_public_too(world: World) -> None:
    task_id = await world.submit("hold")
    async with world.client(errors="public") as client:
        error = (await client.post(f"{PREFIX}/{task_id}/cancel")).json()["error"]
    assert error == {"reason": "cancelled", "message": "The task was cancelled.", "type": None}


@pytest.mark.parametrize("reason", list(Reason))
async def test_every_reason_has_a_sentence_for_the_public(world: World, reason: Reason) -> None:
    row = (await world.settle("fail", "x"))._replace(reason=reason, error_message=SECRET)
    error = json.loads(wire.body_of(row, public=True))["error"]
    assert error["message"].endswith(".")
    assert SECRET not in str(error)
