"""The demo's web application: real work, and everything that can go wrong, as tasks that settle."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

from settled import Context
from settled.dashboard import Dashboard
from settled.demo.director import Director
from settled.demo.fault import Place
from settled.demo.faults import FAULTS
from settled.demo.ledger import for_workers, tasks
from settled.demo.site import Site
from settled.demo.work import Summary, open_client, sum_up
from settled.ids import new_id
from settled.web.fastapi import accepted, add_problem_handlers, tasks_router

STATIC = Path(__file__).with_name("static")

client = open_client()
director = Director()
neighbours: dict[str, FastAPI] = {}
"""Other applications that the demo serves too, by their paths."""


def serve_too(path: str, other: FastAPI) -> None:
    """Serve another application below a path, with a link to it on the page."""
    neighbours[path] = other
    app.mount(path, other)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Serve tasks, the local site, and what is needed to harm them, while the server runs."""
    site = Site(getattr(app.state, "site_port", 0))
    async with client, site, for_workers.lifespan(app), director, tasks.lifespan(app), AsyncExitStack() as stack:
        for other in neighbours.values():
            await stack.enter_async_context(other.router.lifespan_context(other))
        app.state.site = site
        yield


app = FastAPI(title="settled demo", lifespan=lifespan)
app.include_router(tasks_router(tasks, dashboard=Dashboard(tasks)), prefix="/tasks")
add_problem_handlers(app)
app.mount("/scratch", director.scratches)
app.mount("/demo/static", StaticFiles(directory=STATIC))


class Address(BaseModel):
    """A page to be fetched."""

    url: Annotated[str, Field(max_length=2_000)]


@tasks.task(timeout=8, start_timeout=60)
async def summarise(url: str, context: Context) -> Summary:
    """Fetch one page and sum it up."""
    return await sum_up(client, url, context.progress)


@app.post("/demo/pages", status_code=202)
async def begin(address: Address, response: Response) -> Any:
    """Begin to sum up one page."""
    return accepted(await summarise.asubmit(address.url), response)


@app.get("/demo/pages")
async def local_pages(request: Request) -> dict[str, list[str]]:
    """The addresses of the local site, good and bad."""
    return {"addresses": request.app.state.site.addresses()}


@app.get("/demo/faults")
async def faults() -> list[dict[str, Any]]:
    """Every fault, and how each must end."""
    return [fault.as_json() for fault in FAULTS.values()]


@app.post("/demo/faults/{name}", status_code=202)
async def cause(name: str, response: Response) -> Any:
    """Cause one fault; ask for its task at the ``Location``."""
    if name not in FAULTS:
        raise HTTPException(404, f"There is no fault named {name!r}; GET /demo/faults lists them.")
    fault = FAULTS[name]
    if fault.place is Place.NOWHERE:
        nobody = new_id(time.time_ns() // 1_000_000)
        response.headers["Location"] = f"/tasks/{nobody}"
        return {"id": nobody}
    task, prefix = await director.cause(fault)
    return accepted(task, response, prefix=prefix)


@app.get("/demo/neighbours")
async def others() -> dict[str, str]:
    """What else is served here: titles, by their paths."""
    return {f"{path}/": other.title for path, other in neighbours.items()}


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The page itself."""
    return FileResponse(STATIC / "index.html")
