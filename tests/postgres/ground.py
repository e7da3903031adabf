"""A ledger's schema that one test after the other finds empty, with a clock that stands still until it is moved.

To make one takes a tenth of a second, to empty it a hundredth.
"""

from __future__ import annotations

import atexit
import os
from typing import Any

import psycopg

from settled.clock import ManualClock
from settled.stores.postgres import PostgresStore
from tests import servers

_free: list[Ground] = []


class Ground:
    """One schema of the tests' server."""

    def __init__(self) -> None:
        self.server = servers.postgres()
        self.schema = f"test_{os.urandom(6).hex()}"
        self.url = f"{self.server}?schema={self.schema}"
        self.clock = ManualClock()
        first = PostgresStore(self.url)
        first.open()
        first.close()
        self._connection: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(
            self.server, autocommit=True, options=f"-c search_path={self.schema}"
        )
        self.version = self.sql("SELECT version FROM task_ledger")[0][0]
        atexit.register(self.remove)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run statements as a program does that knows nothing of settled; committed at once."""
        cursor = self._connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    def advance(self, seconds: float) -> None:
        """Let time pass on the database's clock, and on that of the processes."""
        self.clock.advance(seconds)
        self.sql(self._clock())

    def empty(self) -> None:
        """Begin anew, as at the beginning of time."""
        self.clock = ManualClock()
        self.sql(
            "SET session_replication_role = replica; "
            "DELETE FROM task_results; DELETE FROM task_workers; DELETE FROM task_locks; "
            "DELETE FROM task_lanes; DELETE FROM task_latest; DELETE FROM task_latest_history; "
            "UPDATE task_ledger SET pulse_at = 0, steady_since = 0, refused = 0, retention_ms = 604800000, "
            f"version = {self.version}; RESET session_replication_role; {self._clock()}"
        )

    def remove(self) -> None:
        """Drop the schema."""
        try:
            self.sql(f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE')
        except psycopg.Error:
            pass  # the server has ended before this process
        self._connection.close()

    def _clock(self) -> str:
        """What has the ledger's two clock functions say what the tests' clock says."""
        return "; ".join(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS bigint LANGUAGE sql {kind} "
            f"AS $$ SELECT {self.clock.wall_ms()}::bigint $$"
            for name, kind in (("now_ms", "VOLATILE"), ("began_ms", "STABLE"))
        )


def take() -> Ground:
    """An empty one, for this test alone."""
    ground = _free.pop() if _free else Ground()
    ground.empty()
    return ground


def give_back(ground: Ground) -> None:
    """Let another test have it."""
    _free.append(ground)
