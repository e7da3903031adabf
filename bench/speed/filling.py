"""Fills a ledger with many rows by SQL, in the store's own schema, as copies of rows that the ledger itself made."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from bench.speed.sides.work import RESULT
from settled.ledger import Ledger
from settled.records import NewTask, Snapshot, Verdict
from settled.states import Status
from settled.stores.sqlite import SQLiteStore

NAME = "bench.nothing"  # registered nowhere, so no engine takes it
DAY_MS = 86_400_000
INSTANTS = ("created_at", "started_at", "finished_at", "due_at", "deadline_at", "settles_at")
NEW_ID = """printf('%08x-%04x-7%03x-%04x-%012x', (:created + shift) >> 16, (:created + shift) & 65535,
                   abs(random()) % 4096, 32768 | abs(random()) % 16384, abs(random()) % 281474976710656)"""


def fill(path: Path, settled: int, still_open: int) -> None:
    """Make a ledger with ``settled`` completed rows of the last six days and ``still_open`` fresh pending ones."""
    ledger = Ledger(SQLiteStore(path))
    ledger.open()
    worker = ledger.membership.enlist([NAME])
    completed, pending = _completed(ledger, worker), _new(ledger, None)
    ledger.membership.dismiss()
    ledger.close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    columns = [row[1] for row in db.execute("PRAGMA table_info(task_results)")]
    db.execute("BEGIN IMMEDIATE")
    gate = db.execute("SELECT sql FROM sqlite_master WHERE name = 'task_results_born'").fetchone()
    if gate:
        db.execute("DROP TRIGGER task_results_born")  # a task is born open; these were born elsewhere
    _copy(db, columns, completed, settled, 6 * DAY_MS)
    _copy(db, columns, pending, still_open, 1_000)
    if gate:
        db.execute(gate[0])
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def ids_of(path: Path, status: str, limit: int, newest: bool = True) -> list[str]:
    """Ids of rows in this status: the newest, or any."""
    db = sqlite3.connect(path)
    order = "rowid DESC" if newest else "random()"
    found = [
        row[0]
        for row in db.execute(f"SELECT id FROM task_results WHERE status = ? ORDER BY {order} LIMIT ?", (status, limit))
    ]
    db.close()
    return found


def _new(ledger: Ledger, worker: str | None) -> Snapshot:
    hour = 3_600_000
    arguments = json.dumps({"args": ["https://example.org/some/page.html"], "kwargs": {}})
    task, _ = ledger.add(NewTask(NAME, arguments, hour, hour, 30_000, 1_000, 1, hour + 30_000, worker=worker))
    return task


def _completed(ledger: Ledger, worker: str) -> Snapshot:
    task = _new(ledger, worker)
    if not ledger.settle_now(Verdict(task.id, 1, Status.COMPLETED, json.dumps(RESULT))):
        raise AssertionError("the ledger refused a template")
    return task


def _copy(db: sqlite3.Connection, columns: list[str], template: Snapshot, count: int, span_ms: int) -> None:
    """Insert ``count`` copies, created evenly over the ``span_ms`` before the template; drop the template."""
    chosen = [NEW_ID if name == "id" else f"t.{name} + shift" if name in INSTANTS else f"t.{name}" for name in columns]
    db.execute(
        f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count),
                          s(shift) AS (SELECT :span * i / :count - :span FROM n)
            INSERT INTO task_results ({", ".join(columns)})
            SELECT {", ".join(chosen)} FROM s CROSS JOIN task_results t WHERE t.id = :template AND :count > 0""",
        {"count": count, "span": span_ms, "created": template.created_at, "template": template.id},
    )
    db.execute(
        "UPDATE task_results SET status = 'failed', error_message = 'a template' WHERE id = ? AND status = 'pending'",
        (template.id,),
    )
    db.execute("DELETE FROM task_results WHERE id = ?", (template.id,))
