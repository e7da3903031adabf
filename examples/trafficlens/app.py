"""The application: the page, the latest traffic of any domain, and the stand-in site if no other is named.

uvicorn trafficlens.app:app     # or: python -m trafficlens
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from settled.web.fastapi import add_problem_handlers, tasks_router
from settled.web.fastapi_latest import latest_router
from trafficlens import settings, views
from trafficlens.standin import stand_in
from trafficlens.traffic import tasks

STATIC = Path(__file__).with_name("static")
NOT_MEASURED = (
    "Figures come from a stand-in site on this machine: derived from the popularity that WhoTracks.Me published for "
    "April 2018 (CC BY 4.0), or made up from a domain’s name. None was measured. Domains: WhoTracks.Me, and The "
    "Majestic Million (CC BY 3.0)."
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if not settings.SOURCE:
            await stack.enter_async_context(stand_in(settings.SITE_PORT))
        await stack.enter_async_context(tasks.lifespan(app))
        await asyncio.to_thread(views.create, settings.LEDGER)
        yield


app = FastAPI(title="TrafficLens", lifespan=lifespan)
app.include_router(latest_router(tasks), prefix="/latest")
app.include_router(tasks_router(tasks), prefix="/tasks")
add_problem_handlers(app)
app.mount("/static", StaticFiles(directory=STATIC))


@app.get("/about")
async def about() -> dict[str, str]:
    """Where the figures come from."""
    return {"basis": f"Figures come from {settings.SOURCE}." if settings.SOURCE else NOT_MEASURED}


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The page itself."""
    return FileResponse(STATIC / "index.html")
