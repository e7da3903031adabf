"""The databases that the conformance suite runs on. A new store joins by adding its world to ``WORLDS``."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from settled.clock import ManualClock
from settled.stores.base import Change, Store
from settled.stores.postgres import PostgresStore
from settled.stores.sqlite import SQLiteStore
from tests import servers


class World(Protocol):
    """One empty database, and a clock that all its stores share."""

    url: str
    refusals: tuple[type[Exception], ...]
    """What the database's own driver raises when a CHECK or a trigger refuses a statement."""

    def open(self) -> Store:
        """One more store on this database, as another process has it; opened, and closed with the world."""

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as a program does that knows nothing of settled; committed at once."""

    def advance(self, seconds: float) -> None:
        """Let time pass on the ledger's clock."""

    def close(self) -> None:
        """Close every store."""


class SQLiteWorld:
    """A file in an empty folder."""

    refusals = (sqlite3.IntegrityError,)

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.url = f"sqlite:///{self.path}"
        self.clock = ManualClock()
        self._stores: list[SQLiteStore] = []

    def open(self) -> SQLiteStore:
        store = SQLiteStore(self.path, self.clock)
        self._stores.append(store)
        store.open()
        return store

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=5)) as connection:
            return connection.execute(statement).fetchall()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def close(self) -> None:
        for store in self._stores:
            store.close()


class PostgresWorld:
    """A schema of its own, whose clock stands still until it is moved."""

    refusals = (psycopg.IntegrityError,)

    def __init__(self, folder: Path) -> None:
        server = servers.postgres()
        if server is None:
            pytest.skip(f"no PostgreSQL: {servers.VARIABLE} names none, and none answers at {servers.USUAL}")
        self.server = server
        self.schema = f"test_{os.urandom(6).hex()}"
        self.url = f"{server}?schema={self.schema}"
        self.clock = ManualClock()
        self._stores: list[PostgresStore] = []
        self._sql: psycopg.Connection[tuple[Any, ...]] | None = None

    def open(self) -> PostgresStore:
        if not self._stores:
            self._stop_the_clock()
        store = PostgresStore(self.url, self.clock)
        self._stores.append(store)
        store.open()
        return store

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        if self._sql is None:
            self._sql = psycopg.connect(self.server, autocommit=True, options=f"-c search_path={self.schema}")
        cursor = self._sql.execute(statement)
        return cursor.fetchall() if cursor.description else []

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.sql(f"UPDATE clock SET now = {self.clock.wall_ms()}")

    def close(self) -> None:
        for store in self._stores:
            store.close()
        self.sql(f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE')
        assert self._sql is not None
        self._sql.close()

    def _stop_the_clock(self) -> None:
        """Make the ledger, and have its two clock functions read a table instead."""
        first = PostgresStore(self.url)
        first.open()
        first.close()
        self.sql(f"CREATE TABLE clock AS SELECT {self.clock.wall_ms()}::bigint AS now")
        for name, kind in (("now_ms", "VOLATILE"), ("began_ms", "STABLE")):
            self.sql(
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS bigint LANGUAGE sql {kind} "
                f'AS $$ SELECT now FROM "{self.schema}".clock $$'
            )


WORLDS: dict[str, Callable[[Path], World]] = {"sqlite": SQLiteWorld, "postgres": PostgresWorld}


def write(store: Store, verb: str, *rows: Any) -> list[Any]:
    """One transaction with one verb; its results."""
    return store.write([Change(verb, rows)]).results[0]
