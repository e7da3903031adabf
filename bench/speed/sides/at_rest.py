"""What a process costs that does nothing: memory and processor time, with settled or with just Python and sqlite3."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import time
from pathlib import Path

from bench.speed.sides.in_flight import asked


async def bare(folder: str, seconds: float) -> dict[str, float]:
    """asyncio running, one connection to a database in WAL mode."""
    db = sqlite3.connect(Path(folder) / "bare.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE task_results (id TEXT PRIMARY KEY, status TEXT, result_data TEXT, error_message TEXT)")
    return await rest(seconds)


async def ours(folder: str, seconds: float) -> dict[str, float]:
    """A ledger open, one task function, heartbeat and sweeper running."""
    from settled import Tasks

    tasks = Tasks(f"sqlite:///{folder}/ours.db")

    @tasks.task(timeout=60)
    async def nothing() -> None: ...

    async with tasks.lifespan(None):
        return await rest(seconds)


async def rest(seconds: float) -> dict[str, float]:
    """Do nothing for a while; memory after it, processor time during it."""
    await asyncio.sleep(1)
    start = time.process_time()
    await asyncio.sleep(seconds)
    return {"rss_mib": rss_mib(), "cpu_ms_per_s": (time.process_time() - start) * 1e3 / seconds}


def rss_mib() -> float:
    """This process's resident memory."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        answer = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True, timeout=10
        )
        return int(answer.stdout) / 1024


if __name__ == "__main__":
    wish = asked()
    side = {"bare": bare, "ours": ours}[wish["which"]]
    print(json.dumps(asyncio.run(side(wish["folder"], wish["seconds"]))))
