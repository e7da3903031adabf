"""A ledger of any older version is brought up to date while a process of that version goes on with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from settled.stores import queries
from settled.stores.urls import store_of
from tests.stores.making import new_task, worker_row
from tests.stores.worlds import SQLiteWorld, World, write

OLDER = [number for number, _ in queries.migrations("sqlite")][:-1]
ENLIST = (
    "INSERT INTO {}task_workers (id, host, pid, names, started_at, heard_at, lease_ms) "
    "VALUES ('{}', 'host', 1, '[]', 1, 1, 1)"
)
READ = "SELECT id, host, pid, names, started_at, heard_at, lease_ms, lost_at FROM {}task_workers ORDER BY id"
Old = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(params=OLDER, ids=lambda number: f"from-{number}")
def old(world: World, request: pytest.FixtureRequest) -> Iterator[Old]:
    """A process of an older version, that has made the ledger; it runs a statement, told where its tables are."""
    if isinstance(world, SQLiteWorld):
        place = ""
        connection: Any = sqlite3.connect(world.nowhere.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        script = connection.executescript
    else:
        place = f"{world.ground.schema}_nowhere."
        connection = psycopg.connect(world.ground.server, autocommit=True)
        connection.execute(f"CREATE SCHEMA {place[:-1]}")
        script = connection.execute
    with closing(connection):
        for number, statements in queries.migrations("sqlite" if isinstance(world, SQLiteWorld) else "postgres"):
            if number <= request.param:
                script(statements.replace("{schema}.", place))
        connection.execute(f"UPDATE {place}task_ledger SET version = {request.param}")
        if not isinstance(world, SQLiteWorld):
            connection.prepare_threshold = 0  # so that its plans are older than the new tables

        def run(statement: str, *names: str) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement.format(place, *names))
            return list(cursor.fetchall()) if cursor.description else []

        yield run


def test_an_older_ledger_is_brought_up_to_date_while_its_process_goes_on(world: World, old: Old) -> None:
    old(ENLIST, "before")
    old(READ)
    store = store_of(world.nowhere)
    with closing(store):
        store.open()
        old(ENLIST, "behind")
        write(store, "enlist", worker_row("new", engine="embedded"))
        write(store, "insert", new_task())
        assert {(row.id, row.engine) for row in store.workers()} == {
            ("before", None), ("behind", None), ("new", "embedded"),
        }  # fmt: skip
        assert [row[0] for row in old(READ)] == ["before", "behind", "new"]
        assert store.pulse().version == OLDER[-1] + 1
        # The tests' clock, on PostgreSQL, is a function that has been changed.
        assert not [f for f in store.diagnose(deep=True) if f.level == "broken" and f.subject != "protections"]
