"""Polls with settled's FastAPI router."""

from __future__ import annotations

import os

from fastapi import FastAPI

from settled import Tasks
from settled.web.fastapi import tasks_router

tasks = Tasks(f"sqlite:///{os.environ['BENCH_LEDGER']}")
app = FastAPI(lifespan=tasks.lifespan)
app.include_router(tasks_router(tasks), prefix="/tasks")
