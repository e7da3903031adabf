"""The bare app under any prefix, however the router in front says where it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

from settled import BadInput, Tasks
from settled.web.asgi import TasksApp
from tests.web.world import BOUND, PREFIX, App, World, bare, client_of, living, raw_get, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    async with living(tmp_path, bare) as world:
        yield world


def cut_off(tasks: Tasks) -> App:
    """As older routers mount: the prefix moves from the path to ``root_path``."""
    inner = TasksApp(tasks)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix("/deep/down")
        await inner({**scope, "path": path, "root_path": scope.get("root_path", "") + "/deep/down"}, receive, send)

    return app


def mounted(tasks: Tasks) -> App:
    return Starlette(routes=[Mount("/deep", routes=[Mount("/down", app=TasksApp(tasks))])])


def in_fastapi(tasks: Tasks) -> App:
    app, outer = FastAPI(), FastAPI()
    app.mount("/down", TasksApp(tasks))
    outer.mount("/deep", app)
    return outer


@pytest.mark.parametrize("mount", [cut_off, mounted, in_fastapi])
@pytest.mark.parametrize("root", ["", "/behind/a proxy"])
async def test_every_way_to_mount_works_and_locations_lead_back(world: World, mount: Any, root: str) -> None:
    row = await world.settle("add", 1, 2)
    async with client_of(mount(world.tasks), root_path=root) as client:
        path = f"{root}/deep/down/{row.id}" if mount is not cut_off else f"/deep/down/{row.id}"
        assert (await client.get(path)).json()["result"] == 3
        again = await client.post(f"{path}/retry")
        assert again.headers["location"] == f"{root}/deep/down/{again.json()['id']}".replace(" ", "%20")


async def test_the_app_alone_at_the_root_serves_tasks(world: World) -> None:
    row = await world.settle("add", 1, 2)
    async with client_of(TasksApp(world.tasks)) as client:
        assert (await client.get(f"/{row.id}")).json()["result"] == 3
        assert (await client.post(f"/{row.id}/retry")).headers["location"].count("/") == 1


@pytest.mark.parametrize(
    "path", ["", "/", "/{}/", "/{}/other", "/{}/cancel/", "/{}/cancel/x", "/a/b/c", "/settled.js/"]
)
async def test_any_other_address_is_404(world: World, path: str) -> None:
    row = await world.settle("add", 1, 2)
    async with client_of(bare(world.tasks)) as client:
        for method in ("GET", "POST"):
            answer = await client.request(method, "/tasks" + path.format(row.id))
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"


async def test_the_app_alone_opens_and_closes_the_ledger(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path / 'alone.db'}")
    inbox: asyncio.Queue[Any] = asyncio.Queue()
    outbox: asyncio.Queue[Any] = asyncio.Queue()
    living = asyncio.create_task(TasksApp(tasks)({"type": "lifespan"}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    assert [worker.alive for worker in tasks.ledger.workers()] == [True]
    await inbox.put({"type": "lifespan.shutdown"})
    assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
    await living


async def test_an_app_that_cannot_open_its_ledger_says_so_at_startup(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path / 'tasks.db'}")
    (tmp_path / "tasks.db").write_bytes(b"no database at all" * 100)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(Exception, match="no SQLite database"):
        await TasksApp(tasks)({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "tasks.db" in sent[0]["message"]


async def test_a_websocket_is_closed(world: World) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await TasksApp(world.tasks)({"type": "websocket", "path": "/x"}, send, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_the_ledger_is_opened_by_the_first_request_and_not_on_the_event_loop(world: World) -> None:
    row = await world.settle("add", 1, 2)
    another, opened_by = Tasks(world.tasks.url, embedded=False), []
    ledger = another._service.ledger
    really_open = ledger.open

    def noted() -> None:
        opened_by.append(threading.current_thread())
        really_open()

    ledger.open = noted  # type: ignore[method-assign]
    async with client_of(TasksApp(another)) as client:
        assert (await client.get(f"/{row.id}")).json()["result"] == 3
    assert threading.current_thread() not in opened_by
    assert len(opened_by) == 1
    another.stop()


async def test_nothing_is_sent_to_a_client_that_has_left(world: World) -> None:
    task_id = await world.submit("hold")
    await until(lambda: world.ran)
    leave, sent = asyncio.Event(), []
    poll = asyncio.create_task(raw_get(bare(world.tasks), task_id, leave, sent))
    await world.watching(task_id)
    leave.set()
    await asyncio.wait_for(poll, BOUND)
    assert sent == []


async def test_an_unknown_choice_of_errors_is_refused(world: World) -> None:
    with pytest.raises(BadInput, match="public"):
        TasksApp(world.tasks, errors="none")


async def test_what_cannot_say_who_asks_is_refused_when_the_app_is_made(world: World) -> None:
    with pytest.raises(BadInput, match="owner='ann' cannot be called"):
        TasksApp(world.tasks, owner="ann")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="authorize=True cannot be called"):
        TasksApp(world.tasks, authorize=True)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="is no Tasks"):
        TasksApp("sqlite:///tasks.db")  # type: ignore[arg-type]


async def test_a_page_of_another_origin_may_read_where_the_app_says_so(world: World) -> None:
    row = await world.settle("add", 1, 2)
    app = CORSMiddleware(
        world.app(),
        allow_origins=["https://app.example"],
        allow_headers=["Prefer", "If-None-Match", "Authorization"],
        expose_headers=["ETag", "Location", "Retry-After"],
    )
    async with client_of(app) as client:
        origin = {"Origin": "https://app.example"}
        asks = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "prefer, authorization"}
        assert (await client.options(f"{PREFIX}/{row.id}", headers={**origin, **asks})).status_code == 200
        for path in (f"{PREFIX}/{row.id}", f"{PREFIX}/{row.id}/events"):
            answer = await client.get(path, headers=origin)
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
            assert "ETag" in answer.headers["access-control-expose-headers"]
