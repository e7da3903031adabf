"""The databases that the conformance suite runs on. A new store joins by adding its world to ``WORLDS``."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg

from settled.clock import ManualClock
from settled.stores.base import Change, Store
from settled.stores.postgres import PostgresStore
from settled.stores.sqlite import SQLiteStore
from tests.postgres import ground


class World(Protocol):
    """One empty database, and a clock that all its stores share."""

    url: str
    nowhere: str
    """The URL of a place where no ledger is yet."""
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
        self.nowhere = f"sqlite:///{folder}/other.db"
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
    """An empty schema."""

    refusals = (psycopg.IntegrityError,)

    def __init__(self, folder: Path | None = None) -> None:
        self.ground = ground.take()
        self.url = self.ground.url
        self.nowhere = f"{self.ground.server}?schema={self.ground.schema}_nowhere"
        self._stores: list[PostgresStore] = []

    def open(self) -> PostgresStore:
        store = PostgresStore(self.url, self.ground.clock)
        self._stores.append(store)
        store.open()
        return store

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return self.ground.sql(statement)

    def advance(self, seconds: float) -> None:
        self.ground.advance(seconds)

    def close(self) -> None:
        for store in self._stores:
            store.close()
        self.sql(f'DROP SCHEMA IF EXISTS "{self.ground.schema}_nowhere" CASCADE')
        ground.give_back(self.ground)


WORLDS: dict[str, Callable[[Path], World]] = {"sqlite": SQLiteWorld, "postgres": PostgresWorld}


def write(store: Store, verb: str, *rows: Any) -> list[Any]:
    """One transaction with one verb; its results."""
    return store.write([Change(verb, rows)]).results[0]


def until(true: Callable[[], object], within: float = 10.0) -> None:
    """Look until it is true, for a bounded time."""
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)
