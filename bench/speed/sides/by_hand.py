"""A poll by hand: read the row, build the object of the contract."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SQL = """SELECT name, status, result_data, error_message, reason, error_type, progress, progress_message, attempt,
                max_attempts, created_at, started_at, finished_at, settles_at FROM task_results WHERE id = ?"""


def connect() -> sqlite3.Connection:
    """Open the ledger's file for reading."""
    return sqlite3.connect(f"file:{Path(os.environ['BENCH_LEDGER'])}?mode=ro", uri=True, isolation_level=None)


def answer(db: sqlite3.Connection, task_id: str) -> dict[str, Any] | None:
    """The object for one task, ``None`` if there is none."""
    row = db.execute(SQL, (task_id,)).fetchone()
    if row is None:
        return None
    (
        name,
        status,
        result,
        message,
        reason,
        kind,
        progress,
        said,
        attempt,
        attempts,
        created,
        started,
        finished,
        settles,
    ) = row
    settled = status in ("completed", "failed")
    return {
        "id": task_id,
        "name": name,
        "status": status,
        "settled": settled,
        "result": None if result is None else json.loads(result),
        "error": {"reason": reason, "message": message, "type": kind} if status == "failed" else None,
        "progress": None if progress is None else {"fraction": progress, "message": said},
        "attempt": attempt,
        "max_attempts": attempts,
        "created_at": instant(created),
        "started_at": instant(started),
        "finished_at": instant(finished),
        "settles_at": instant(settles),
        "settles_in": 0 if settled else max(0, settles - time.time_ns() // 1_000_000) / 1000,
        "retry_after": None if settled else 1.0,
    }


def instant(milliseconds: int | None) -> str | None:
    """RFC 3339 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
