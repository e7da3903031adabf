"""Fills a ledger's table with many rows by SQL, as copies of rows that the ledger itself made."""

from __future__ import annotations

import json
from collections.abc import Sequence

import psycopg

from bench.speed.sides.work import RESULT
from settled.ledger import Ledger
from settled.records import NewTask, Verdict
from settled.states import Status

NAME = "bench.nothing"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
INSTANTS = ("created_at", "started_at", "finished_at", "due_at", "deadline_at", "settles_at")
NEW_ID = """lpad(to_hex((t.created_at + shift) >> 16), 8, '0') || '-' ||
            lpad(to_hex((t.created_at + shift) & 65535), 4, '0') || '-7' || substr(gen_random_uuid()::text, 16)"""


def new(name: str = NAME, worker: str | None = None) -> NewTask:
    """A task as ``submit`` makes them, with an hour to start in."""
    arguments = json.dumps({"args": ["https://example.org/some/page.html"], "kwargs": {}})
    return NewTask(name, arguments, HOUR_MS, HOUR_MS, 30_000, 1_000, 1, HOUR_MS + 30_000, worker=worker)


def fill(ledger: Ledger, url: str, schema: str, worker: str, settled: int, pending: Sequence[tuple[str, int]]) -> None:
    """Copy a completed row, over the last six days, and pending ones of each name, over the last second."""
    done, _ = ledger.add(new(worker=worker))
    if not ledger.settle_now(Verdict(done.id, 1, Status.COMPLETED, json.dumps(RESULT))):
        raise AssertionError("the ledger refused a template")
    waiting = [(ledger.add(new(name))[0].id, count) for name, count in pending]
    table = f"{schema}.task_results"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # a task is born open; these were born elsewhere
        named = db.execute(COLUMNS, (f"{schema}.task_results",))
        columns = [str(row[0]) for row in named]
        chosen = [
            NEW_ID if name == "id" else f"t.{name} + shift" if name in INSTANTS else f"t.{name}" for name in columns
        ]
        for template, count, span in [(done.id, settled, 6 * DAY_MS), *((id_, count, 1_000) for id_, count in waiting)]:
            db.execute(
                f"""INSERT INTO {table} ({", ".join(columns)}) SELECT {", ".join(chosen)}
                    FROM (SELECT %(span)s::bigint * i / greatest(1, %(count)s) - %(span)s AS shift
                          FROM generate_series(1, %(count)s::bigint) i) s, {table} t WHERE t.id = %(id)s""",
                {"span": span, "count": count, "id": template},
            )
        db.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        db.execute(f"VACUUM (ANALYZE) {table}")


def ids_of(url: str, schema: str, status: str, limit: int, newest: bool = True) -> list[str]:
    """Ids of rows in this status: the newest, or any."""
    some = "ORDER BY id DESC" if newest else "AND random() < 0.01"
    with psycopg.connect(url) as db:
        return [
            str(row[0])
            for row in db.execute(
                f"SELECT id FROM {schema}.task_results WHERE status = %s {some} LIMIT %s", (status, limit)
            )
        ]
