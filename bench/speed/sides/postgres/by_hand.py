"""The pattern by hand: psycopg on an event loop, insert and commit, run, update and commit; eight connections.

The result is handed over in memory, which is kinder than a poll.
"""

from __future__ import annotations

import asyncio
import json
import uuid

import psycopg
from psycopg_pool import AsyncConnectionPool

from bench.speed.sides.in_flight import asked
from bench.speed.sides.postgres import pattern
from bench.speed.sides.postgres.server_time import measure_both
from bench.speed.sides.work import nothing

CONNECTIONS = 8


async def main() -> dict[str, float]:
    wish = asked()
    with psycopg.connect(wish["url"]) as db:
        db.execute(pattern.TABLE)
    size = min(CONNECTIONS, wish["in_flight"])
    pool = AsyncConnectionPool(wish["url"], min_size=size, max_size=size, kwargs={"autocommit": True}, open=False)

    async def execute(sql: str, values: tuple[str, ...]) -> None:
        async with pool.connection() as db:
            await db.execute(sql, values)

    async def run(task_id: str, number: int) -> object:
        result = await nothing(number)
        await execute(pattern.UPDATE, (json.dumps(result), task_id))
        return result

    async def submit(number: int) -> asyncio.Task[object]:
        task_id = str(uuid.uuid4())
        await execute(pattern.INSERT, (task_id,))
        return asyncio.create_task(run(task_id, number))

    async def finish(task: asyncio.Task[object]) -> object:
        return await task

    async with pool:
        return await measure_both(wish["url"], submit, finish, wish["in_flight"], wish["warm"], wish["seconds"])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
