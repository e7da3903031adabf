"""A process of the app without a web server: runs tasks, and does what it is told in lines of JSON, until told to end.

A thread that answers sits apart from the event loop, so that it answers while a task holds that loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from typing import Any

from settled import SettledError
from tests.crash.functions import build_here

tasks = build_here()
loop: asyncio.AbstractEventLoop


def say(**answer: Any) -> None:
    os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")


def submit(name: str, args: list[Any], using: dict[str, Any], *, then_die: bool = False) -> None:
    begun = time.monotonic()
    try:
        task = tasks.functions[name].using(**using).submit(*args)
        say(id=task.id, took=time.monotonic() - begun)
    except SettledError as error:
        say(error=error.code, message=str(error), took=time.monotonic() - begun)
    if then_die:
        os.kill(os.getpid(), signal.SIGKILL)


def look(task_id: str) -> None:
    begun = time.monotonic()
    try:
        row = tasks.get(task_id)
        say(status=row.status, reason=row.reason, settled=row.settled, settles_in=row.settles_in, as_of=row.as_of)
    except SettledError as error:
        say(error=error.code, message=str(error), took=time.monotonic() - begun)


def crowd(task_id: str, size: int) -> None:
    """Answer so many pages at once, as a web server does, and say how long the last one waited."""

    async def pages() -> list[bool]:
        rows = await asyncio.gather(*(tasks.aget(task_id) for _ in range(size)))
        return [row.settled for row in rows]

    begun = time.monotonic()
    settled = asyncio.run_coroutine_threadsafe(pages(), loop).result(timeout=60)
    say(settled=sum(settled), took=time.monotonic() - begun)


def wall() -> None:
    say(wall=time.time())


def obey() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        {"submit": submit, "look": look, "crowd": crowd, "wall": wall}[order.pop("do")](**order)
    os._exit(3)  # whoever started us is gone


async def main() -> None:
    global loop
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_end.set)
    async with tasks.lifespan():
        say(ready=tasks.ledger.worker)
        threading.Thread(target=obey, daemon=True).start()
        await told_to_end.wait()


if __name__ == "__main__":
    asyncio.run(main())
