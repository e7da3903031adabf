"""What this disk can do at most through SQLite: the pattern's two statements, so many rows to a commit.

Nobody submits, runs or waits. Ids are ordered by time, as ours are.
"""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

from bench.speed.sides.in_flight import asked
from bench.speed.sides.work import RESULT
from settled.ids import new_ids


def main() -> dict[str, float]:
    """Measure this side as asked."""
    wish = asked()
    db = sqlite3.connect(Path(wish["folder"]) / "limit.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE task_results (id TEXT PRIMARY KEY, status TEXT, result_data TEXT, error_message TEXT)")
    result = json.dumps(RESULT)
    start = time.perf_counter() + wish["warm"]
    end, count = start + wish["seconds"], 0
    while (now := time.perf_counter()) < end:
        ids = new_ids(time.time_ns() // 1_000_000, wish["rows"])
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO task_results (id, status) VALUES (?, 'pending')", ((id_,) for id_ in ids))
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        db.executemany(
            "UPDATE task_results SET status = 'completed', result_data = ? WHERE id = ?", ((result, id_) for id_ in ids)
        )
        db.execute("COMMIT")
        count += wish["rows"] if now >= start else 0
    return {"per_second": count / wish["seconds"]}


if __name__ == "__main__":
    print(json.dumps(main()))
