"""The app as a web server runs it; what it is to be is in the environment."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response

from settled.web.fastapi import accepted, tasks_router
from tests.crash.functions import build_here

tasks = build_here()
app = FastAPI(lifespan=tasks.lifespan)
app.include_router(tasks_router(tasks), prefix="/tasks")


@app.post("/submit/{name}", status_code=202)
async def submit(name: str, args: list[Any], response: Response, attempts: int = 1, timeout: float = 60) -> Any:
    function = tasks.functions[name].using(attempts=attempts, timeout=timeout)
    return accepted(await function.asubmit(*args), response)
