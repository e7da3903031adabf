"""For queues that keep no result: a table in which the task itself puts it. And for all: a cheap way to wait for a row.

The wait is kinder than what people have: one connection, and one query for all that is waited for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

TABLE = "CREATE TABLE bench_results (job bigint PRIMARY KEY, result text NOT NULL)"
KEEP = "INSERT INTO bench_results (job, result) VALUES (%(job)s, %(result)s)"
READ = "SELECT job, result FROM bench_results WHERE job = ANY (%s)"
PAUSE, PAUSE_OF_MANY = 0.001, 0.005
"""Seconds between two looks that found nothing: for one that waits, and for more."""


def make_table(url: str) -> None:
    """Create the table of results."""
    with psycopg.connect(url) as db:
        db.execute(TABLE)


def pool(url: str) -> AsyncConnectionPool[Any]:
    """Connections for tasks that keep their own result: each insert its own commit."""
    return AsyncConnectionPool(url, min_size=4, max_size=10, kwargs={"autocommit": True}, open=False)


async def keep(connections: AsyncConnectionPool[Any], job: int, result: object) -> None:
    """Store the result of a task."""
    async with connections.connection() as db:
        await db.execute(KEEP, {"job": job, "result": json.dumps(result)})


class Outcomes:
    """Waits for rows that ``sql`` finds: of an array of ids, each id that has ended, with its result."""

    def __init__(self, url: str, sql: str = READ, decode: Callable[[Any], Any] = json.loads) -> None:
        self._url = url
        self._sql = sql
        self._decode = decode
        self._waiting: dict[Any, asyncio.Future[Any]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def of(self, job: Any) -> Any:
        """The result of one job, as soon as it can be read."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        elif self._reading.done():
            self._reading.result()
        future = self._waiting[job] = asyncio.get_running_loop().create_future()
        return self._decode(await future)

    async def _read(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as db:
            while True:
                found = []
                if self._waiting:
                    found = await (await db.execute(self._sql, (list(self._waiting),))).fetchall()
                for job, result in found:
                    future = self._waiting.pop(job)
                    if not future.done():
                        future.set_result(result)
                await asyncio.sleep(PAUSE if len(self._waiting) <= 1 else PAUSE_OF_MANY)
