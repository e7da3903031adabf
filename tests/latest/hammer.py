"""A process that asks for one key again and again, from many places at once, until it is killed.

Its upstream is a file that all processes append to: who was asked, and when on the ledger's clock. It answers 500 to
two in five, by their number, not by chance; and to nobody while there is a file in the folder ``TESTED_HELD``, in
which whoever waits for it is written.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from settled import Latest, Tasks

KEY = "hammered"
PLACES = 8
FRESH, RETRY, CAP = 0.4, 0.2, 0.8

tasks = Tasks(os.environ.get("TESTED_LEDGER", "sqlite:///nowhere.db"), drain=0)
log, held = -1, Path("nowhere")


@tasks.latest(fresh_for=FRESH, retry_after=RETRY, retry_cap=CAP, timeout=10, start_timeout=10)
async def traffic(key: str) -> int:
    line = f"{os.getpid():10} {tasks.ledger.store.now():20}\n".encode()
    os.write(log, line)
    number = os.lseek(log, 0, os.SEEK_CUR) // len(line)
    await asyncio.sleep(0.05 * (1 + number % 7))
    for hold in held.iterdir():
        try:
            with hold.open("r+") as file:  # not made anew if it was taken away just now
                file.write(str(os.getpid()))
        except FileNotFoundError:
            continue
        while hold.exists():  # noqa: ASYNC110 - another process takes it away
            await asyncio.sleep(0.01)
    if number % 5 in (1, 3):
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
    held = Path(os.environ["TESTED_HELD"])
    log = os.open(os.environ["TESTED_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    asyncio.run(main())
