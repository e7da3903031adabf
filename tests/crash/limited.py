"""A task function with a limit, for worker processes; it writes down when it begins and ends."""

from __future__ import annotations

import asyncio
import os
import time

from settled import Limit, Tasks

tasks = Tasks(os.environ["LIMITED_LEDGER"], embedded=False, lease=5.0, drain=1.0)


def note(what: str, host: str) -> None:
    with open(os.environ["LIMITED_LOG"], "a", encoding="ascii") as file:
        file.write(f"{what} {host} {os.getpid()} {time.monotonic()}\n")


@tasks.task(name="visit", timeout=30, attempts=3, backoff=0.05, limit=Limit(concurrency=2, key=lambda host, page: host))
async def visit(host: str, page: int) -> int:
    note("begin", host)
    await asyncio.sleep(0.2)
    note("end", host)
    return page
