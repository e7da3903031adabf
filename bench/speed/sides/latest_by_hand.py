"""What a hand-written endpoint does to tell of a key: the row by its primary key, as JSON with the same fields."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FRESH_MS = 86_400_000
COLUMNS = "value, got_at, last_error, last_reason, last_error_type, last_error_at, failures, retry_at, task, refreshing"


def connect() -> sqlite3.Connection:
    return sqlite3.connect(f"file:{Path(os.environ['BENCH_LEDGER'])}?mode=ro", uri=True, isolation_level=None)


def answer(db: sqlite3.Connection, name: str, key: str) -> dict[str, Any]:
    row = db.execute(f"SELECT {COLUMNS} FROM task_latest WHERE name = ? AND key = ?", (name, key)).fetchone()
    now = time.time_ns() // 1_000_000
    value, got_at, error, reason, kind, error_at, failures, retry_at, task, refreshing = row
    return {
        "name": name,
        "key": key,
        "found": got_at is not None,
        "value": json.loads(value),
        "got_at": instant(got_at),
        "age": max(0, now - got_at) / 1000,
        "stale": got_at + FRESH_MS <= now,
        "last_error": error and {"reason": reason, "message": error, "type": kind, "at": instant(error_at)},
        "failures": failures,
        "retry_in": max(0, retry_at - now) / 1000,
        "refreshing": bool(refreshing),
        "task": task,
        "settles_in": 0.0,
        "settled": not refreshing,
        "retry_after": 0.0,
    }


def instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
