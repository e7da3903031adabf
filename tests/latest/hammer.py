"""A process that asks for one key again and again, from many places at once, until it is killed.

Its upstream is a file that all processes append to: who was asked, and when on the ledger's clock.
"""

from __future__ import annotations

import asyncio
import os
import random

from settled import Latest, Tasks

KEY = "hammered"
PLACES = 8
FRESH, RETRY, CAP = 0.4, 0.2, 0.8

tasks = Tasks(os.environ.get("TESTED_LEDGER", "sqlite:///nowhere.db"), drain=0)
log = -1


@tasks.latest(fresh_for=FRESH, retry_after=RETRY, retry_cap=CAP, timeout=10, start_timeout=10)
async def traffic(key: str) -> int:
    os.write(log, f"{os.getpid()} {tasks.ledger.store.now()}\n".encode())
    await asyncio.sleep(random.uniform(0.05, 0.4))
    if random.random() < 0.4:
        raise RuntimeError("The upstream answered 500.")
    return tasks.ledger.store.now()


async def ask() -> None:
    had: Latest | None = None
    while True:
        found = await traffic.get(KEY)
        assert found.found or had is None or not had.found, "a good value was lost"
        assert found.found or found.refreshing or found.last_error, "somebody is left without a word"
        had = found
        await asyncio.sleep(0.01)


async def main() -> None:
    async with tasks.lifespan():
        os.write(1, b"ready\n")
        await asyncio.gather(*(ask() for _ in range(PLACES)))


if __name__ == "__main__":
    log = os.open(os.environ["TESTED_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    asyncio.run(main())
