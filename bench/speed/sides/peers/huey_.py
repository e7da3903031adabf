"""Huey on SQLite: one consumer process with eight threads; each commit is synced, as ours is (``fsync=True``).

Whoever waits asks for the result as ``result.get(blocking=True)`` does: again and again, less and less often.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from typing import Any

from bench.speed.sides.in_flight import asked, measure_with_worker
from bench.speed.sides.postgres.workers import worker

APP, FOLDER = "bench.speed.sides.peers.huey_app", "BENCH_HUEY"
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.05


async def main(wish: dict[str, Any]) -> dict[str, float]:
    os.environ[FOLDER] = wish["folder"]  # the consumer must find the same file
    task = importlib.import_module(APP).nothing

    async def submit(number: int) -> Any:
        return task(number)

    async def finish(handle: Any) -> object:
        pause = FIRST_PAUSE
        while (found := handle.get()) is None:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return found

    command = [sys.executable, "-m", "huey.bin.huey_consumer", f"{APP}.huey", "-w", "8", "-k", "thread", "-q"]
    with worker(command, wish["folder"]):
        return await measure_with_worker(submit, finish, wish["in_flight"], wish["warm"], wish["seconds"])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(asked()))))
