"""The pattern as people write it, without HTTP: SQLAlchemy sessions in a thread pool, an asyncio task for the work."""

from __future__ import annotations

import asyncio
import json

import anyio.to_thread

from bench.speed.sides import usual_table
from bench.speed.sides.in_flight import asked, measure
from bench.speed.sides.work import nothing


async def main() -> dict[str, float]:
    """Measure this side as asked."""
    wish = asked()
    open_session = usual_table.sessions(wish["folder"])

    def insert() -> str:
        with open_session() as session:
            return usual_table.insert(session)

    def complete(task_id: str, result: object) -> None:
        with open_session() as session:
            usual_table.complete(session, task_id, result)

    def fail(task_id: str, error: Exception) -> None:
        with open_session() as session:
            usual_table.fail(session, task_id, error)

    async def run(task_id: str, number: int) -> object:
        try:
            result = await nothing(number)
        except Exception as error:
            await anyio.to_thread.run_sync(fail, task_id, error)
            return None
        await anyio.to_thread.run_sync(complete, task_id, result)
        return result

    async def submit(number: int) -> asyncio.Task[object]:
        return asyncio.create_task(run(await anyio.to_thread.run_sync(insert), number))

    async def finish(task: asyncio.Task[object]) -> object:
        return await task

    return await measure(submit, finish, wish["in_flight"], wish["warm"], wish["seconds"])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
