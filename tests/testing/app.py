"""The shop's pages."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response

from settled.web.fastapi import accepted, tasks_router
from tests.testing.shop import order, tasks

app = FastAPI(lifespan=tasks.lifespan)
app.include_router(tasks_router(tasks), prefix="/tasks")


@app.post("/orders")
async def begin(response: Response) -> Any:
    return accepted(await order.asubmit(21), response, prefix="/tasks")
