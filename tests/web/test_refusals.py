"""What a client gets that gets no task: problem documents, whoever asks and for whatever."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from settled.errors import LedgerFull, LedgerTooNew, LedgerUnavailable
from settled.ids import new_id
from settled.web import NotSignedIn
from tests.web.world import PREFIX, World, client_of

pytestmark = pytest.mark.anyio

HOSTILE = [
    "x", "..", "%2e%2e", "0193", "null", "%00", "a%00b", "'%20OR%201=1--", "%22%3E%3Cscript%3E", "ünïcode",
    "%F0%9F%9A%80", "%ff%fe", "%0d%0aSet-Cookie:%20a=b", "A" * 5_000, "0193a1b2-0000-7000-8000-00000000000G",
    "01931F6E-7C00-7CC3-98C4-DC0C0C07398F", "00000000-0000-4000-8000-000000000000", "cancel", "settled.css", "*", ";",
    "{id}", "%7Bid%7D",
]  # fmt: skip


def is_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Check a problem document by RFC 9457, and return it."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert list(body) == ["type", "title", "status", "detail"]
    assert (body["type"], body["status"]) == (f"urn:settled:{slug}", status)
    assert body["title"]
    assert body["detail"]
    return body


async def test_an_unknown_id_is_404(world: World, client: httpx.AsyncClient) -> None:
    young = new_id(world.tasks.ledger.store.now())
    for method, path in [("GET", young), ("POST", f"{young}/cancel"), ("POST", f"{young}/retry")]:
        is_problem(await client.request(method, f"{PREFIX}/{path}"), 404, "not-found")


async def test_an_id_older_than_the_retention_is_410(world: World, client: httpx.AsyncClient) -> None:
    old = new_id(world.tasks.ledger.store.now() - 8 * 86_400_000)
    for method, path in [("GET", old), ("POST", f"{old}/cancel"), ("POST", f"{old}/retry")]:
        is_problem(await client.request(method, f"{PREFIX}/{path}"), 410, "pruned")


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_no_id_is_404_and_is_not_repeated(
    world: World, client: httpx.AsyncClient, hostile: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get(f"{PREFIX}/{hostile}")
    assert answer.status_code == 404
    if not hostile.startswith((".", "%2e")):  # a path that leads elsewhere is not ours to answer
        is_problem(answer, 404, "bad-task-id")
    assert "set-cookie" not in answer.headers
    assert hostile[:40] not in answer.text or len(hostile) < 3
    assert caplog.records == []


async def test_an_id_with_a_lone_surrogate_is_404(world: World) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    path = f"{PREFIX}/\ud800"
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "query_string": b"", "headers": []}
    await world.app()(scope, receive, send)
    assert sent[0]["status"] == 404


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_who_may_not_see_a_task_gets_the_answer_of_an_unknown_one(world: World, kind: str) -> None:
    def closed(request: Any, task: Any) -> bool:
        return False

    async def closed_later(request: Any, task: Any) -> bool:
        return False

    row = await world.settle("add", 1, 2)
    async with world.client(authorize=closed if kind == "sync" else closed_later) as client:
        refused = await client.get(f"{PREFIX}/{row.id}")
        unknown = await client.get(f"{PREFIX}/{new_id(world.tasks.ledger.store.now())}")
    is_problem(refused, 404, "not-found")
    assert (refused.content, refused.headers) == (unknown.content, unknown.headers)


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_who_may_not_see_a_task_cannot_change_it(world: World, verb: str) -> None:
    task_id = await world.submit("hold") if verb == "cancel" else (await world.settle("add", 1, 2)).id
    before = len(world.tasks.ledger.list())
    async with world.client(authorize=lambda request, task: False) as client:
        is_problem(await client.post(f"{PREFIX}/{task_id}/{verb}"), 404, "not-found")
    assert world.tasks.get(task_id).reason is None
    assert len(world.tasks.ledger.list()) == before


async def test_the_hook_sees_the_request_and_the_task(world: World) -> None:
    seen: list[Any] = []

    def look(request: Any, task: Any) -> bool:
        seen.append((request.method, request.headers["x-who"], request.cookies["session"], request.query_params["q"]))
        seen.append((request.scope["path"], request.state.tenant, task.name, task.arguments))
        return True

    row = await world.settle("add", 1, 2)
    app = world.app(authorize=look)

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": {"tenant": "blue"}}, receive, send)

    async with client_of(with_state) as client:
        client.cookies["session"] = "abc"
        answer = await client.get(f"{PREFIX}/{row.id}?q=ü", headers={"X-Who": "me"})
    assert answer.status_code == 200
    assert seen == [("GET", "me", "abc", "ü"), (f"{PREFIX}/{row.id}", "blue", "add", row.arguments)]


async def test_who_is_not_signed_in_gets_401_and_no_redirect(world: World) -> None:
    row = await world.settle("add", 1, 2)

    async def door(request: Any, task: Any) -> bool:
        raise NotSignedIn(challenge="Bearer")

    async with world.client(authorize=door) as client:
        answer = await client.get(f"{PREFIX}/{row.id}")
    is_problem(answer, 401, "not-signed-in")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "location" not in answer.headers


async def test_a_hook_that_breaks_is_500_without_details_and_is_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    row = await world.settle("add", 1, 2)

    def broken(request: Any, task: Any) -> bool:
        raise KeyError("the session table of the app")

    async with world.client(authorize=broken) as client:
        answer = await client.get(f"{PREFIX}/{row.id}")
    assert "session" not in str(is_problem(answer, 500, "error"))
    assert "the session table of the app" in caplog.text


@pytest.mark.parametrize("error", [LedgerUnavailable, LedgerFull])
async def test_a_database_away_is_503_and_says_when_to_ask_again(
    world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: type[LedgerUnavailable]
) -> None:
    row = await world.settle("add", 1, 2)

    def away(*args: object) -> Any:
        raise error("The database file /srv/secret/tasks.db is gone.", retry_after=2.5)

    monkeypatch.setattr(world.tasks.ledger.store, "read", away)
    for method, path in [("GET", row.id), ("POST", f"{row.id}/cancel"), ("POST", f"{row.id}/retry")]:
        answer = await client.request(method, f"{PREFIX}/{path}")
        body = is_problem(answer, 503, error.code)
        assert answer.headers["retry-after"] == "3"
        assert "/srv" not in str(body)


async def test_a_ledger_that_was_closed_is_503(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("add", 1, 2)
    world.tasks.ledger.store.close()
    is_problem(await client.get(f"{PREFIX}/{row.id}"), 503, "ledger-unavailable")


async def test_a_fault_of_the_app_is_500_without_details_and_is_logged(
    world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def too_new(task_id: str) -> Any:
        raise LedgerTooNew("/srv/secret/tasks.db has tables of version 9.")

    monkeypatch.setattr(world.tasks, "aget", too_new)
    body = is_problem(await client.get(f"{PREFIX}/{new_id(0)}"), 500, "error")
    assert "/srv" not in str(body)
    assert "/srv/secret" in caplog.text


@pytest.mark.parametrize(
    ("path", "methods"),
    [("", {"GET", "HEAD"}), ("/cancel", {"POST"}), ("/retry", {"POST"})],
)
async def test_other_methods_are_told_which_ones_there_are(
    world: World, client: httpx.AsyncClient, path: str, methods: set[str]
) -> None:
    row = await world.settle("add", 1, 2)
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - methods:
        answer = await client.request(method, f"{PREFIX}/{row.id}{path}")
        assert set(answer.headers["allow"].split(", ")) == {*methods, "OPTIONS"}
        if method != "HEAD":
            is_problem(answer, 405, "method-not-allowed")
    options = await client.options(f"{PREFIX}/{row.id}{path}")
    assert (options.status_code, options.content) == (204, b"")
    assert set(options.headers["allow"].split(", ")) == {*methods, "OPTIONS"}


async def test_the_script_is_served_and_kept_for_an_hour(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PREFIX}/settled.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert "waitForTask" in answer.text
    again = await client.get(f"{PREFIX}/settled.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await client.head(f"{PREFIX}/settled.js")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    assert (await client.post(f"{PREFIX}/settled.js")).status_code == 405
