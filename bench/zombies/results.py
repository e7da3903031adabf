"""A table of the application's own, for systems that keep no results: the task writes, the page's route reads."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from bench.zombies.surroundings import STORE

TABLE = "CREATE TABLE IF NOT EXISTS results (task text PRIMARY KEY, result text)"
KEEP = "INSERT INTO results VALUES ({0}, {0}) ON CONFLICT (task) DO UPDATE SET result = EXCLUDED.result"
READ = "SELECT result FROM results WHERE task = {0}"


def _do(statement: str, *values: str) -> Any:
    if STORE.startswith("postgresql"):
        import psycopg

        with psycopg.connect(STORE, connect_timeout=5) as connection:
            cursor = connection.execute(statement.format("%s"), values or None)
            return cursor.fetchone() if cursor.description else None
    with closing(sqlite3.connect(f"{STORE}/results.db")) as connection, connection:
        return connection.execute(statement.format("?"), values).fetchone()


def prepare() -> None:
    """Make the table."""
    _do(TABLE)


def keep(task: object, result: Any) -> None:
    """Store what a task returned."""
    _do(KEEP, str(task), json.dumps(result))


def read(task: object) -> Any:
    """What it returned; None if nothing is there."""
    row = _do(READ, str(task))
    return row and json.loads(row[0])
