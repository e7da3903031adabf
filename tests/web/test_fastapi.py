"""What FastAPI adds: the schema, ``accepted``, problem handlers, dependencies, the idempotency key."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient

from settled import Tasks
from settled import ledger as ledger_module
from settled.errors import TaskFailed
from settled.states import Reason
from settled.web.fastapi import IdempotencyKey, accepted, add_problem_handlers, tasks_router
from settled.web.fastapi_schema import TaskBody
from tests.web.world import BOUND, PREFIX, World, client_of, framed, living, raw_get, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    async with living(tmp_path, framed) as world:
        yield world


def site(world: World, prefix: str = PREFIX, **options: Any) -> FastAPI:
    """An app with endpoints of its own, as the README has it."""
    app = FastAPI()
    app.include_router(tasks_router(world.tasks, **options), prefix=prefix)
    add_problem_handlers(app)
    add = world.tasks.functions["add"]

    @app.post("/add", status_code=202)
    async def start(response: Response, key: IdempotencyKey, one: Any = 1, other: int = 2) -> Any:
        return accepted(await add.using(key=key).asubmit(one, other), response)

    @app.post("/odd")
    async def odd(what: str) -> Any:
        if what == "arguments":
            await add.asubmit(1, 2, 3)
        elif what == "name":
            await world.tasks.asubmit("a name that nobody registered")
        raise TaskFailed(Reason.EXCEPTION, "a secret of the app")

    return app


# -- the schema


async def test_every_endpoint_is_in_the_schema(world: World) -> None:
    paths = site(world).openapi()["paths"]
    assert {(path, *methods) for path, methods in paths.items() if path.startswith(PREFIX)} == {
        ("/tasks/settled.js", "get"),
        ("/tasks/submit.js", "get"),
        ("/tasks/batch.js", "get"),
        ("/tasks/latest.js", "get"),
        ("/tasks/waiter.js", "get"),
        ("/tasks/{id}", "get"),
        ("/tasks/{id}/events", "get"),
        ("/tasks/{id}/fragment", "get"),
        ("/tasks/{id}/cancel", "post"),
        ("/tasks/{id}/retry", "post"),
    }


async def test_every_answer_is_in_the_schema(world: World) -> None:
    paths = site(world).openapi()["paths"]
    always = {"401", "404", "410", "422", "503"}
    assert set(paths["/tasks/{id}"]["get"]["responses"]) == {"200", "304", *always}
    assert set(paths["/tasks/{id}/events"]["get"]["responses"]) == {"200", "204", *always}
    assert list(paths["/tasks/{id}/events"]["get"]["responses"]["200"]["content"]) == ["text/event-stream"]
    assert set(paths["/tasks/{id}/fragment"]["get"]["responses"]) == {"200", "204", "422"}
    assert set(paths["/tasks/{id}/cancel"]["post"]["responses"]) == {"200", "403", "409", *always}
    assert set(paths["/tasks/{id}/retry"]["post"]["responses"]) == {"202", "403", "409", *always}
    for path, methods in paths.items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if path.startswith("/tasks/{id}") and status >= "400":
                    schema = response["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}, (path, method, status)


async def test_the_schema_names_the_headers_of_a_poll(world: World) -> None:
    parameters = site(world).openapi()["paths"]["/tasks/{id}"]["get"]["parameters"]
    assert [(found["in"], found["name"]) for found in parameters] == [
        ("path", "id"),
        ("header", "Prefer"),
        ("header", "If-None-Match"),
    ]


async def test_the_model_is_what_is_answered(world: World) -> None:
    rows = [await world.settle("add", 1, 2), await world.settle("fail", "x")]
    rows.append(world.tasks.get(await world.submit("hold")))
    async with client_of(site(world)) as client:
        for row in rows:
            body = (await client.get(f"{PREFIX}/{row.id}")).json()
            assert list(TaskBody.model_fields) == list(body)
            assert TaskBody.model_validate(body, extra="forbid").model_dump(mode="json") == body


# -- accepted


async def test_a_submit_is_202_with_the_task_and_where_to_ask(world: World) -> None:
    async with client_of(site(world)) as client:
        answer = await client.post("/add")
        body = answer.json()
        assert (answer.status_code, body["name"], body["settled"]) == (202, "add", False)
        assert list(body) == list(TaskBody.model_fields)
        assert answer.headers["location"] == f"{PREFIX}/{body['id']}"
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        settled = await client.get(answer.headers["location"], headers={"Prefer": "wait=20"})
        assert settled.json()["result"] == 3


async def test_the_location_follows_the_router(world: World) -> None:
    async with client_of(site(world, "/some/where")) as client:
        answer = await client.post("/add")
        assert answer.headers["location"].startswith("/some/where/")
        assert (await client.get(answer.headers["location"])).status_code == 200


async def test_the_location_follows_a_router_that_is_included_last_in_another(world: World) -> None:
    app, between = FastAPI(), APIRouter(prefix="/between")
    add = world.tasks.functions["add"]

    @app.post("/add")
    async def start(response: Response) -> Any:
        return accepted(await add.asubmit(1, 2), response)

    between.include_router(tasks_router(world.tasks), prefix="/jobs")
    app.include_router(between, prefix="/api")
    with TestClient(app) as client:  # it starts the app, and so the router learns where it is
        answer = client.post("/add")
    assert answer.headers["location"] == f"/api/between/jobs/{answer.json()['id']}"


async def test_the_location_has_every_prefix_in_front_where_the_request_is_given(world: World) -> None:
    app, outer = FastAPI(), FastAPI()
    add = world.tasks.functions["add"]

    @app.post("/add")
    async def start(request: Request, response: Response) -> Any:
        return accepted(await add.asubmit(1, 2), response, request=request)

    app.include_router(tasks_router(world.tasks), prefix="/jobs")  # last, so that no request has come by yet
    outer.mount("/inner", app)
    async with client_of(outer, root_path="/proxy") as client:
        answer = await client.post("/proxy/inner/add")
        assert answer.headers["location"] == f"/proxy/inner/jobs/{answer.json()['id']}"
        assert (await client.get(answer.headers["location"])).status_code == 200


async def test_the_location_has_the_prefix_in_front_of_the_app_as_last_seen(world: World) -> None:
    async with client_of(site(world), root_path="/proxy") as client:
        answer = await client.post("/proxy/add")
        assert answer.headers["location"].startswith("/proxy/tasks/")
        assert (await client.get(answer.headers["location"])).status_code == 200


async def test_a_prefix_that_is_said_counts(world: World) -> None:
    response = Response()
    body = accepted(await world.tasks.asubmit("add", 1, 2), response, prefix="/said")
    assert (response.status_code, response.headers["location"]) == (202, f"/said/{body['id']}")


async def test_a_prefix_in_any_script_makes_a_location_that_leads_to_the_task(world: World) -> None:
    app = FastAPI()
    app.include_router(tasks_router(world.tasks), prefix="/задачи")

    @app.post("/add")
    async def start(response: Response) -> Any:
        return accepted(await world.tasks.asubmit("add", 1, 2), response)

    async with client_of(app) as client:
        answer = await client.post("/add")
        assert answer.status_code == 202
        assert (await client.get(answer.headers["location"])).status_code == 200
    for said in ("https://example.org:8000/a%20b", "/~me/a;b"):
        response = Response()
        accepted(await world.tasks.asubmit("add", 1, 2), response, prefix=said)
        assert response.headers["location"].startswith(f"{said}/")


async def test_each_ledger_has_its_own_place(world: World, tmp_path: Path) -> None:
    other = Tasks(f"sqlite:///{tmp_path / 'other.db'}", embedded=False)
    app = FastAPI()
    app.include_router(tasks_router(other), prefix="/others")
    app.include_router(tasks_router(world.tasks), prefix="/ours")
    task = other.create("by hand")

    @app.post("/both")
    async def both() -> Any:
        ours, theirs = Response(), Response()
        accepted(await world.tasks.asubmit("add", 1, 2), ours)
        accepted(task, theirs)
        return [ours.headers["location"], theirs.headers["location"]]

    async with client_of(app) as client:
        locations = (await client.post("/both")).json()
        assert [location.split("/")[1] for location in locations] == ["ours", "others"]
        assert [(await client.get(location)).status_code for location in locations] == [200, 200]
    other.stop()


async def test_an_accepted_task_that_has_failed_already_keeps_its_secrets(world: World) -> None:
    app = site(world, errors="public")
    row = await world.settle("fail", "x")
    body = accepted(world.tasks.task_of(row.id), Response(), prefix=PREFIX)
    assert body["error"] == {"reason": "exception", "message": "The task ran into an error.", "type": None}
    assert app


# -- the app's own endpoints


async def test_a_repeated_request_with_the_same_key_is_one_task(world: World) -> None:
    async with client_of(site(world)) as client:
        answers = [await client.post("/add", headers={"Idempotency-Key": key}) for key in ("k1", '"k1"', "k2")]
        answers.append(await client.post("/add"))
    ids = [answer.json()["id"] for answer in answers]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


async def test_a_key_that_is_too_long_is_a_422_document(world: World) -> None:
    async with client_of(site(world)) as client:
        answer = await client.post("/add", headers={"Idempotency-Key": "k" * 1_001})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:settled:bad-input")


async def test_a_key_used_with_other_arguments_is_422_and_tells_no_id(world: World) -> None:
    async with client_of(site(world)) as client:
        first = await client.post("/add?other=5", headers={"Idempotency-Key": "k"})
        answer = await client.post("/add?other=6", headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:settled:key-conflict")
    assert first.json()["id"] not in answer.text


@pytest.mark.parametrize(("what", "slug"), [("arguments", "bad-arguments"), ("name", "unknown-task-name")])
async def test_bad_input_is_a_422_document_and_nothing_is_written(world: World, what: str, slug: str) -> None:
    async with client_of(site(world)) as client:
        answer = await client.post(f"/odd?what={what}")
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:settled:{slug}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hold" not in answer.text  # the names that are registered are nobody's business
    assert world.tasks.ledger.list() == []


async def test_a_submit_while_the_database_is_locked_is_503(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "SUBMIT_PATIENCE", 0.1)
    db = sqlite3.connect(world.tasks.url.removeprefix("sqlite:///"), isolation_level=None, timeout=10)
    db.execute("BEGIN IMMEDIATE")
    try:
        async with client_of(site(world)) as client:
            answer = await client.post("/add")
    finally:
        db.execute("ROLLBACK")
        db.close()
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:settled:ledger-unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "sqlite" not in answer.text.lower()


async def test_an_error_that_is_nobodys_input_is_500_without_details(world: World) -> None:
    async with client_of(site(world)) as client:
        answer = await client.post("/odd?what=else")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text


# -- dependencies, hooks and neighbours


async def test_dependencies_given_at_include_are_honoured_everywhere(world: World) -> None:
    def door(request: Request) -> None:
        if "x-key" not in request.headers:
            raise HTTPException(401, "a key is needed")

    app = FastAPI()
    app.include_router(tasks_router(world.tasks), prefix=PREFIX, dependencies=[Depends(door)])
    row = await world.settle("add", 1, 2)
    asked = [("GET", ""), ("HEAD", ""), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", ""), ("OPTIONS", "")]
    async with client_of(app) as client:
        for method, path in asked:
            assert (await client.request(method, f"{PREFIX}/{row.id}{path}")).status_code == 401
            let_in = await client.request(method, f"{PREFIX}/{row.id}{path}", headers={"X-Key": "1"})
            assert let_in.status_code != 401
        assert (await client.get(f"{PREFIX}/settled.js")).status_code == 401
    assert len(world.tasks.ledger.list()) == 2


async def test_a_hook_may_raise_what_the_app_handles(world: World) -> None:
    row = await world.settle("add", 1, 2)

    def door(request: Request, task: Any) -> bool:
        assert isinstance(request, Request)
        raise HTTPException(403, "not today")

    async with world.client(authorize=door) as client:
        answer = await client.get(f"{PREFIX}/{row.id}")
    assert (answer.status_code, answer.json()) == (403, {"detail": "not today"})


async def test_neighbours_under_the_same_prefix_are_left_alone(world: World) -> None:
    app = site(world)

    @app.post("/tasks/start")
    async def start(value: Annotated[int, Depends(lambda: 1)]) -> int:
        return value

    async with client_of(app) as client:
        assert (await client.post("/tasks/start")).json() == 1


async def test_a_middleware_in_between_keeps_no_long_poll_alive(world: World) -> None:
    app = site(world)

    @app.middleware("http")
    async def between(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    task_id = await world.submit("hold")
    await until(lambda: world.ran)
    leave = asyncio.Event()
    poll = asyncio.create_task(raw_get(app, task_id, leave, []))
    await world.watching(task_id)
    leave.set()
    await asyncio.wait_for(poll, BOUND)
    assert world.watched() == []


async def test_the_example_of_the_readme_works_with_its_own_lifespan(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path / 'readme.db'}")
    app = FastAPI(lifespan=tasks.lifespan)
    app.include_router(tasks_router(tasks), prefix="/tasks")

    @tasks.task(timeout=60, attempts=2)
    async def scrape(url: str) -> dict[str, str]:
        return {"url": url}

    @app.post("/scrape", status_code=202)
    async def start(url: str, response: Response) -> Any:
        return accepted(await scrape.asubmit(url), response)

    with TestClient(app) as client:
        answer = client.post("/scrape?url=https://example.org/")
        settled = client.get(answer.headers["location"], headers={"Prefer": "wait=20"})
    assert (answer.status_code, settled.json()["result"]) == (202, {"url": "https://example.org/"})


async def test_a_retry_leads_to_the_new_task_under_the_same_prefix(world: World) -> None:
    row = await world.settle("add", 1, 2)
    async with client_of(site(world, "/some/where")) as client:
        answer = await client.post(f"/some/where/{row.id}/retry")
        found: httpx.Response = await client.get(answer.headers["location"])
    assert found.json()["id"] == answer.json()["id"] != row.id
    await until(lambda: world.tasks.get(answer.json()["id"]).settled)
