"""Reads of keys with settled's FastAPI router."""

from __future__ import annotations

import os

from fastapi import FastAPI

from settled import Tasks
from settled.web.fastapi_latest import latest_router

tasks = Tasks(f"sqlite:///{os.environ['BENCH_LEDGER']}")


@tasks.latest(fresh_for=86_400)
async def traffic(key: str) -> None: ...


app = FastAPI(lifespan=tasks.lifespan)
app.include_router(latest_router(tasks), prefix="/latest")
