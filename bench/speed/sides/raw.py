"""The pattern by hand, raw: ``sqlite3`` on one connection; insert and commit, run, update and commit."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from pathlib import Path

from bench.speed.sides.in_flight import asked, measure
from bench.speed.sides.work import nothing


async def main() -> dict[str, float]:
    """Measure this side as asked."""
    wish = asked()
    db = sqlite3.connect(Path(wish["folder"]) / "raw.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE task_results (id TEXT PRIMARY KEY, status TEXT, result_data TEXT, error_message TEXT)")
    db.commit()

    async def run(task_id: str, number: int) -> object:
        result: object = None
        outcome: tuple[str, str | None, str | None, str]
        try:
            result = await nothing(number)
            outcome = ("completed", json.dumps(result), None, task_id)
        except Exception as error:
            outcome = ("failed", None, str(error), task_id)
        db.execute("UPDATE task_results SET status=?, result_data=?, error_message=? WHERE id=?", outcome)
        db.commit()
        return result

    async def submit(number: int) -> asyncio.Task[object]:
        task_id = str(uuid.uuid4())
        db.execute("INSERT INTO task_results (id, status) VALUES (?, 'pending')", (task_id,))
        db.commit()
        return asyncio.create_task(run(task_id, number))

    async def finish(task: asyncio.Task[object]) -> object:
        return await task  # kinder than a poll: the result is handed over in memory

    return await measure(submit, finish, wish["in_flight"], wish["warm"], wish["seconds"])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
