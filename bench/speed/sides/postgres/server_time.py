"""The processor time that the server spent on one database, where it runs on this machine and /proc tells."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psycopg

from bench.speed.sides.in_flight import Finish, Submit, measure

SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def measure_both(
    url: str, submit: Submit, finish: Finish, in_flight: int, warm: float, seconds: float
) -> dict[str, float]:
    """``in_flight.measure``, and the server's processor time for each lifecycle beside this process's own."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        watching = asyncio.create_task(_watch(db, warm, seconds))
        figures = await measure(submit, finish, in_flight, warm, seconds)
        used = await watching
    if used:
        figures["server_us"] = used / (figures["per_second"] * seconds) * 1e6
    return figures


async def _watch(db: psycopg.AsyncConnection[tuple[int]], warm: float, seconds: float) -> float:
    await asyncio.sleep(warm)
    before = await _used(db)
    await asyncio.sleep(seconds - 0.05)  # while its sessions are still there
    after = await _used(db)
    return sum(time - before.get(pid, 0.0) for pid, time in after.items())


async def _used(db: psycopg.AsyncConnection[tuple[int]]) -> dict[int, float]:
    return {pid: _seconds(pid) for (pid,) in await (await db.execute(SESSIONS)).fetchall()}


def _seconds(pid: int) -> float:
    try:
        name, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return 0.0
    if "postgres" not in name:  # the server is another machine's
        return 0.0
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
