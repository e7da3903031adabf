"""Who may see a task: its owner, whom authorize lets in, and everybody only where nobody owns it."""

from __future__ import annotations

from typing import Any

import pytest

from settled import Snapshot
from settled.ids import new_id
from settled.web import NotSignedIn
from tests.web.world import PREFIX, World

pytestmark = pytest.mark.anyio

PATHS = [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")]


async def owned(world: World, owner: str | None = "ada") -> str:
    task = await world.tasks.functions["add"].using(owner=owner).asubmit(1, 2)
    await task.await_(20)
    return str(task.id)


def by_header(request: Any) -> str | None:
    name = request.headers.get("x-user")
    return str(name) if name else None


async def statuses(world: World, task_id: str, user: str = "", **options: Any) -> list[int]:
    async with world.client(**options) as client:
        headers = {"X-User": user} if user else {}
        asked = [await client.request(method, f"{PREFIX}/{task_id}{path}", headers=headers) for method, path in PATHS]
        return [answer.status_code for answer in asked]


async def test_the_owner_sees_cancels_and_retries_and_others_get_what_an_unknown_id_gets(world: World) -> None:
    task_id = await owned(world)
    assert await statuses(world, task_id, "ada", owner=by_header) == [200, 200, 409, 202]
    assert await statuses(world, task_id, "bob", owner=by_header) == [404] * 4
    assert await statuses(world, task_id, owner=by_header) == [404] * 4
    async with world.client(owner=by_header) as client:
        hidden = await client.get(f"{PREFIX}/{task_id}", headers={"X-User": "bob"})
        unknown = await client.get(f"{PREFIX}/{new_id(world.tasks.ledger.store.now())}", headers={"X-User": "bob"})
    assert hidden.json() == unknown.json()


async def test_a_task_that_nobody_owns_is_for_all_only_where_nobody_is_asked_for(world: World) -> None:
    row = await world.settle("add", 1, 2)
    assert (await statuses(world, row.id))[0] == 200
    assert (await statuses(world, row.id, "ada", owner=by_header))[0] == 404
    assert (await statuses(world, row.id, owner=by_header))[0] == 404


async def test_without_a_hook_an_owned_task_is_for_nobody_and_the_log_says_why(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    assert await statuses(world, await owned(world)) == [404] * 4
    assert "give owner= or authorize=" in caplog.text


async def test_authorize_lets_in_who_is_not_the_owner(world: World) -> None:
    def staff(request: Any, task: Snapshot) -> bool:
        return by_header(request) == "root"

    task_id = await owned(world)
    both = {"owner": by_header, "authorize": staff}
    assert (await statuses(world, task_id, "root", **both))[0] == 200
    assert (await statuses(world, task_id, "ada", **both))[0] == 200
    assert (await statuses(world, task_id, "bob", **both))[0] == 404
    assert (await statuses(world, task_id, "ada", authorize=staff))[0] == 404


async def test_an_owner_hook_may_be_async_and_may_say_that_nobody_is_signed_in(world: World) -> None:
    async def signed_in(request: Any) -> str | None:
        if by_header(request) is None:
            raise NotSignedIn
        return by_header(request)

    task_id = await owned(world)
    assert (await statuses(world, task_id, "ada", owner=signed_in))[0] == 200
    assert await statuses(world, task_id, owner=signed_in) == [401] * 4


@pytest.mark.parametrize(
    ("header", "value"), [("Cookie", "session=ada; other=1"), ("Authorization", "Bearer token-of-ada")]
)
async def test_a_cookie_and_a_bearer_token_name_the_owner(world: World, header: str, value: str) -> None:
    def who(request: Any) -> str | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer token-of-")
        return request.cookies.get("session") or token or None

    task_id = await owned(world)
    async with world.client(owner=who) as client:
        assert (await client.get(f"{PREFIX}/{task_id}", headers={header: value})).status_code == 200
        assert (await client.get(f"{PREFIX}/{task_id}")).status_code == 404


async def test_what_depends_on_who_asks_is_kept_apart_by_caches(world: World) -> None:
    async with world.client(owner=by_header) as client:
        answer = await client.get(f"{PREFIX}/{await owned(world)}", headers={"X-User": "ada"})
    assert answer.headers["vary"] == "Authorization, Cookie"
