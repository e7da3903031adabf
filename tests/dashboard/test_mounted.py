"""The dashboard under ``/tasks/ui``, by the bare app and by the router, wherever they are; else it is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.routing import Mount

from settled import Tasks
from settled.dashboard import Dashboard
from settled.web.asgi import TasksApp
from settled.web.fastapi import tasks_router
from tests.dashboard.world import fields

pytestmark = pytest.mark.anyio


def bare(tasks: Tasks, **options: Any) -> Any:
    return Starlette(routes=[Mount("/deep", routes=[Mount("/tasks", app=TasksApp(tasks, **options))])])


def routed(tasks: Tasks, dependencies: Any = None, **options: Any) -> Any:
    app, outer = FastAPI(), FastAPI()
    app.include_router(tasks_router(tasks, **options), prefix="/tasks", dependencies=dependencies)
    outer.mount("/deep", app)
    return outer


def browser(app: Any, root: str = "") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, root_path=root, client=("127.0.0.1", 1))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=20)


@pytest.fixture
def tasks(tmp_path: Path) -> Any:
    made = Tasks(f"sqlite:///{tmp_path / 'tasks.db'}", embedded=False)
    made.task(name="work")(lambda: None)
    yield made
    made.stop()


@pytest.mark.parametrize("mount", [bare, routed])
@pytest.mark.parametrize("root", ["", "/behind a proxy"])
async def test_its_pages_lead_to_one_another(tasks: Tasks, mount: Callable[..., Any], root: str) -> None:
    task = tasks.submit("work")
    above = f"{root}/deep/tasks".replace(" ", "%20")
    async with browser(mount(tasks, dashboard=Dashboard(tasks)), root) as client:
        assert (await client.get(f"{above}/ui")).headers["location"] == f"{above}/ui/"
        listed = (await client.get(f"{above}/ui/")).text
        assert f'href="{above}/ui/{task.id}"' in listed
        assert (await client.head(f"{above}/ui/failures")).status_code == 200
        assert (await client.get(f"{above}/ui/static/dashboard.css")).headers["content-type"].startswith("text/css")
        page = await client.get(f"{above}/ui/{task.id}")
        form = {**fields(page.text), "hand": "cancel.these"}
        asked = await client.post(f"{above}/ui/confirm", data=form)
        done = await client.post(f"{above}/ui/do", data=fields(asked.text))
        assert done.headers["location"] == f"{above}/ui/{task.id}?said=cancel.1"
        assert (await client.get(f"{above}/{task.id}")).json()["error"]["reason"] == "cancelled"


@pytest.mark.parametrize("mount", [bare, routed])
async def test_nothing_is_there_unless_it_is_switched_on(tasks: Tasks, mount: Callable[..., Any]) -> None:
    async with browser(mount(tasks)) as client:
        for path in ("/deep/tasks/ui", "/deep/tasks/ui/", "/deep/tasks/ui/failures"):
            assert (await client.get(path, follow_redirects=True)).status_code == 404


async def test_what_the_router_depends_on_the_dashboard_does_too(tasks: Tasks) -> None:
    def refuse() -> None:
        raise HTTPException(401)

    async with browser(routed(tasks, [Depends(refuse)], dashboard=Dashboard(tasks))) as client:
        assert (await client.get("/deep/tasks/ui/")).status_code == 401
