"""The tasks that the soak's own workers run beside the demo, and that the soak submits into the ledger directly."""

from __future__ import annotations

import asyncio
import os
import time

from settled import Context, Tasks

LEDGER = "SETTLED_SOAK_LEDGER"

tasks = Tasks(os.environ.get(LEDGER, "sqlite:///soak.db"), lease=5.0, embedded=False, processes=2, drain=1.0)

LIMITS = {"timeout": 10.0, "start_timeout": 30.0, "backoff": 0.2}


@tasks.task(**LIMITS)
async def brief(number: int) -> int:
    return number * number


@tasks.task(attempts=2, **LIMITS)
async def a_while(seconds: float, context: Context) -> dict[str, int]:
    context.progress(0.5, "half of it")
    await asyncio.sleep(seconds)
    return {"attempt": context.attempt}


@tasks.task(**LIMITS)
def in_a_thread(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


@tasks.task(isolation="process", attempts=2, **LIMITS)
def in_a_process(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


@tasks.task(timeout=1.0, start_timeout=30.0)
async def hangs() -> None:
    await asyncio.Event().wait()


@tasks.task(**LIMITS)
async def breaks() -> None:
    raise ValueError("as asked")
