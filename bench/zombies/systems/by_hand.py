"""The published pattern by hand: a table ``task_results``, a thread for the work, ``except Exception``.

Its hardened variant is what careful people make of it: ``except BaseException``, and at the start of the server a
sweep that fails what an earlier one has left open.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from pathlib import Path

from fastapi import FastAPI, HTTPException

from bench.zombies.culprits import run
from bench.zombies.surroundings import HARDENED, STORE

TABLE = (
    "CREATE TABLE IF NOT EXISTS task_results (id text PRIMARY KEY, status text, result_data text, error_message text)"
)
WHAT = BaseException if HARDENED else Exception
web = FastAPI()


def do(statement: str, *values: object) -> list[tuple[str, ...]]:
    with sqlite3.connect(Path(STORE) / "app.db") as connection:
        return connection.execute(statement, values).fetchall()


do("PRAGMA journal_mode=WAL")
do(TABLE)
if HARDENED:
    do("UPDATE task_results SET status='failed', error_message='The server was restarted' WHERE status='pending'")


def work(task_id: str, culprit: str, token: str) -> None:
    try:
        result = json.dumps(run(culprit, token))
        do("UPDATE task_results SET status='completed', result_data=? WHERE id=?", result, task_id)
    except WHAT as error:
        do("UPDATE task_results SET status='failed', error_message=? WHERE id=?", str(error), task_id)


@web.post("/tasks", status_code=202)
def submit(culprit: str, token: str) -> dict[str, str]:
    task_id = str(uuid.uuid4())
    do("INSERT INTO task_results (id, status) VALUES (?, 'pending')", task_id)
    threading.Thread(target=work, args=(task_id, culprit, token), daemon=True).start()
    return {"id": task_id}


@web.get("/tasks/{task_id}")
def status(task_id: str) -> dict[str, object]:
    rows = do("SELECT status, result_data, error_message FROM task_results WHERE id=?", task_id)
    if not rows:
        raise HTTPException(404)
    status, result, error = rows[0]
    return {"status": status, "result": result and json.loads(result), "error": error}
