"""Readers of a ledger's tables that are no part of settled: they see what is on the disk, and settle nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

Row = dict[str, Any]


class Unseen(Exception):
    """The database cannot be looked at just now: being made, taken away by the test, or restarted."""


class Eyes(Protocol):
    """One database, from outside."""

    def table(self, name: str) -> list[Row]:
        """All rows of a table; raises ``Unseen``."""

    def row(self, task_id: str) -> Row:
        """The row of one task; raises ``Unseen``."""

    def locked(self) -> bool:
        """Whether one process keeps the others from writing."""


class SQLiteEyes:
    """A file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def table(self, name: str) -> list[Row]:
        return self._query(f"SELECT * FROM {name}")

    def row(self, task_id: str) -> Row:
        return self._query("SELECT * FROM task_results WHERE id = ?", task_id)[0]

    def count(self, status: str) -> int:
        """How many tasks have this status; of thousands it costs far less than all rows."""
        return int(self._query("SELECT count(*) AS found FROM task_results WHERE status = ?", status)[0]["found"])

    def locked(self) -> bool:
        with closing(sqlite3.connect(self._path, timeout=0.5, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            connection.execute("ROLLBACK")
            return False

    def _query(self, sql: str, *values: str) -> list[Row]:
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5)) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(sql, values)]
        except sqlite3.Error as error:
            raise Unseen(str(error)) from error
