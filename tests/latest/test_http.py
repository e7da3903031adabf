"""Latest values over HTTP, by both faces: at once, once, and never more than the asker may see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from settled import TryLater
from settled.web import NotSignedIn
from settled.web.latest import Asked
from tests.latest.web import FACES, PUBLIC, World, living
from tests.web.world import until

Living = Callable[[], AbstractAsyncContextManager[World]]


@pytest.fixture(params=FACES)
def there(tmp_path: Path, request: pytest.FixtureRequest) -> Living:
    return partial(living, tmp_path, FACES[request.param])


def run(test: Callable[[World], Coroutine[Any, Any, None]], there: Living) -> None:
    async def main() -> None:
        async with there() as world:
            await test(world)

    asyncio.run(main())


FIELDS = [
    "name", "key", "found", "value", "got_at", "age", "stale", "last_error", "failures", "retry_in", "refreshing",
    "task", "settles_in", "settled", "retry_after",
]  # fmt: skip
AS_TASK = ["status", "result", "error"]


def test_the_first_look_answers_at_once_and_a_wait_ends_with_the_value(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            first = await client.get("/latest/traffic/held")
            body = first.json()
            assert (first.status_code, list(body)) == (200, FIELDS + AS_TASK)
            assert (body["found"], body["refreshing"], body["settled"]) == (False, True, False)
            assert (first.headers["cache-control"], first.headers["retry-after"]) == ("no-store", "1")
            assert 0 < body["settles_in"] <= 650
            assert body["retry_after"] == 0.25
            waiting = asyncio.ensure_future(client.get("/latest/traffic/held", headers={"prefer": "wait=20"}))
            await until(lambda: body["task"] in world.tasks.ledger.bell.watched())
            world.go.set()
            last = await waiting
            assert (last.json()["value"], last.json()["settled"], last.json()["retry_after"]) == (
                {"of": "held"},
                True,
                0,
            )
            assert last.headers["preference-applied"] == "wait=20"
            assert last.headers["cache-control"] == "private, no-cache"
            assert world.asked == ["held"]

    run(test, there)


def test_an_error_is_told_beside_the_value_and_asking_on_starts_nothing(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            await world.got("a", {"n": 1})
            await world.got("a", TryLater(30, "429"))
            for _ in range(5):
                body = (await client.get("/latest/traffic/A")).json()
            error = body["last_error"]
            assert (body["value"], body["failures"], body["refreshing"]) == ({"n": 1}, 1, False)
            assert (error["reason"], error["message"], error["type"]) == ("exception", "429", "TryLater")
            assert error["at"].endswith("Z")
            assert 50 < body["retry_in"] <= 60
            assert world.asked == ["a", "a"]

    run(test, there)


def test_what_the_client_has_is_not_sent_again(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            await world.got("a")
            first = await client.get("/latest/traffic/a")
            again = await client.get("/latest/traffic/a", headers={"if-none-match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            await world.got("a", {"n": 2})
            after = await client.get("/latest/traffic/a", headers={"if-none-match": first.headers["etag"]})
            assert (after.status_code, after.json()["value"]) == (200, {"n": 2})
            head = await client.head("/latest/traffic/a")
            assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", after.headers["etag"])

    run(test, there)


def test_never_only_looks_and_a_get_does_not_force(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            assert not (await client.get("/latest/traffic/a?refresh=never")).json()["refreshing"]
            refused = await client.get("/latest/traffic/a?refresh=force")
            assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
            assert "POST" in refused.json()["detail"]
            assert world.tasks.ledger.list() == []

    run(test, there)


def test_a_post_forces_one(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            await world.got("held/deep", None)
            world.go.clear()
            first = (await client.post("/latest/traffic/held/deep/refresh")).json()
            second = (await client.post("/latest/traffic/held/deep/refresh")).json()
            assert (first["key"], first["refreshing"], second["task"]) == ("held/deep", True, first["task"])
            await until(lambda: len(world.asked) == 2)

    world_go_set(there, test)


def world_go_set(there: Living, test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with there() as world:
            world.go.set()
            await test(world)

    asyncio.run(main())


def test_many_keys_in_one_request_are_told_in_the_order_asked(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            await world.got("fresh")
            keys = ["held 2", "bad!", "FRESH", "held 1", 7, "held 2"]
            body = (await client.post("/latest/traffic", json={"keys": keys})).json()
            items = body["items"]
            assert list(items[0]) == FIELDS
            assert [item.get("key") or item["asked"] for item in items] == [
                "held 2", "bad!", "fresh", "held 1", "7", "held 2",
            ]  # fmt: skip
            assert items[1]["error"]["status"] == items[4]["error"]["status"] == 422
            assert "bad! is no key of ours" in items[1]["error"]["detail"]
            assert [item.get("refreshing") for item in items] == [True, None, False, True, None, True]
            assert not body["settled"]
            assert body["settles_in"] == max(items[0]["settles_in"], items[3]["settles_in"])
            assert 0 < body["retry_after"] <= 5
            world.go.set()
            waited = await client.post("/latest/traffic", json={"keys": keys}, headers={"prefer": "wait=20"})
            while not waited.json()["settled"]:
                waited = await client.post("/latest/traffic", json={"keys": keys}, headers={"prefer": "wait=20"})
            assert [item.get("found") for item in waited.json()["items"]] == [True, None, True, True, None, True]
            assert (waited.json()["settles_in"], waited.json()["retry_after"]) == (0, 0)
            assert sorted(world.asked) == ["fresh", "held 1", "held 2"]

    run(test, there)


def test_a_wait_for_many_ends_at_the_first_change(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            asked = {"keys": ["held", "quick"]}
            first = await client.post("/latest/traffic", json=asked)
            headers = {"prefer": "wait=20", "if-none-match": first.headers["etag"]}
            found = (await client.post("/latest/traffic", json=asked, headers=headers)).json()
            assert [item["settled"] for item in found["items"]] == [False, True]

    run(test, there)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"keys": "a"}', b'{"keys": ["a"], "refresh": "often"}', b'{"keys": []' + b" " * 2_000_000],
)
def test_a_body_that_says_no_keys_is_refused(there: Living, body: bytes) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            refused = await client.post("/latest/traffic", content=body)
            assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")

    run(test, there)


def test_a_key_that_is_none_is_refused_and_an_unknown_name_is_nowhere(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            refused = await client.get("/latest/traffic/bad!")
            assert (refused.status_code, refused.json()["type"]) == (422, "urn:settled:bad-key")
            assert (await client.get("/latest/other/a")).status_code == 404
            assert (await client.post("/latest/other", json={"keys": []})).status_code == 404
            assert (await client.get("/latest/traffic")).status_code == 405
            assert (await client.request("OPTIONS", "/latest/traffic/a")).status_code == 204

    run(test, there)


def test_nothing_is_written_by_hand_unless_that_is_allowed(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            for method in ("PUT", "DELETE", "POST", "PATCH"):
                refused = await client.request(method, "/latest/traffic/a", json=1)
                assert refused.status_code == 405
                assert refused.headers["allow"] == "GET, HEAD, OPTIONS"

    run(test, there)


def test_a_value_can_be_set_and_purged_where_that_is_allowed(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client(writable=True) as client:
            await world.got("a", {"n": 1})
            put = await client.put("/latest/traffic/A", json={"by": "hand"})
            assert (put.status_code, put.json()["value"], put.json()["key"]) == (200, {"by": "hand"}, "a")
            told = (await client.get("/latest/traffic/a?history=5")).json()
            assert [former["value"] for former in told["history"]] == [{"n": 1}]
            gone = await client.delete("/latest/traffic/a")
            assert (gone.json()["found"], gone.json()["got_at"]) == (False, None)
            assert (await client.put("/latest/traffic/a", content=b"{")).status_code == 422

    run(test, there)


def test_who_may_not_see_a_key_is_told_that_there_is_none(there: Living) -> None:
    asked: list[Asked] = []

    async def authorize(request: Any, what: Asked) -> bool:
        asked.append(what)
        if request.headers.get("who") is None:
            raise NotSignedIn
        return what.key == request.headers["who"] and what.verb == "read"

    async def test(world: World) -> None:
        async with world.client(authorize=authorize, writable=True) as client:
            assert (await client.get("/latest/traffic/me")).status_code == 401
            headers = {"who": "me"}
            assert (await client.get("/latest/traffic/ME", headers=headers)).status_code == 200
            assert (await client.get("/latest/traffic/you", headers=headers)).status_code == 404
            assert (await client.post("/latest/traffic/me/refresh", headers=headers)).status_code == 404
            assert (await client.put("/latest/traffic/me", headers=headers, json=1)).status_code == 404
            assert (await client.delete("/latest/traffic/me", headers=headers)).status_code == 404
            many = (await client.post("/latest/traffic", json={"keys": ["you", "me"]}, headers=headers)).json()["items"]
            assert (many[0]["error"]["status"], many[1]["key"]) == (404, "me")
            assert {(what.key, what.verb) for what in asked} >= {("me", "refresh"), ("me", "set"), ("me", "purge")}
            assert {row.latest for row in world.tasks.ledger.list()} == {"me"}

    run(test, there)


def test_a_page_of_another_site_starts_and_changes_nothing(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client(writable=True) as client:
            client.headers["sec-fetch-site"] = "cross-site"
            assert not (await client.get("/latest/traffic/a")).json()["refreshing"]
            for refused in (
                await client.post("/latest/traffic", json={"keys": ["a"]}),
                await client.post("/latest/traffic/a/refresh"),
                await client.put("/latest/traffic/a", json=1),
                await client.delete("/latest/traffic/a"),
            ):
                assert refused.status_code == 403
            assert world.tasks.ledger.list() == []

    run(test, there)


def test_only_what_is_meant_for_users_passes_if_that_is_asked_for(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client(errors="public") as client:
            await world.got("a", ValueError("the password is 1234"))
            await world.got("b", PUBLIC)
            hidden = (await client.get("/latest/traffic/a")).json()["last_error"]
            assert (hidden["message"], hidden["type"]) == ("The task ran into an error.", None)
            told = (await client.get("/latest/traffic/b")).json()["last_error"]
            assert (told["message"], told["type"]) == (str(PUBLIC), "PublicError")

    run(test, there)


def test_a_value_of_any_text_stays_inside_its_object(there: Living) -> None:
    async def test(world: World) -> None:
        async with world.client() as client:
            await world.got('q"\\', ['"}', "\u2028", "🙂"])
            body = (await client.get("/latest/traffic/q%22%5C")).json()
            assert (body["key"], body["value"]) == ('q"\\', ['"}', "\u2028", "🙂"])

    run(test, there)


def test_the_schema_knows_every_operation(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(tmp_path, FACES["fastapi"]) as world, world.client(writable=True) as client:
            schema = (await client.get("/openapi.json")).json()
            shapes = schema["components"]["schemas"]
            paths = schema["paths"]
            assert set(paths) == {"/latest/{name}", "/latest/{name}/{key}", "/latest/{name}/{key}/refresh"}
            assert set(paths["/latest/{name}/{key}"]) == {"get", "put", "delete"}
            assert set(shapes["LatestBody"]["properties"]) == {*FIELDS, *AS_TASK, "history"}
            assert set(shapes["LatestItem"]["properties"]) == set(FIELDS)
            assert "requestBody" in paths["/latest/{name}"]["post"]

    asyncio.run(main())
