"""A fresh database for each test, once for each store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from settled.records import Snapshot
from settled.stores.base import Store
from tests.stores.making import new_task, worker_row
from tests.stores.worlds import WORLDS, SQLiteWorld, World, write


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = WORLDS[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(world: World) -> Store:
    return world.open()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SQLiteWorld]:
    """For what only SQLite can do wrong."""
    made = SQLiteWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def pending(store: Store) -> Callable[..., Snapshot]:
    """Makes a pending task."""

    def make(**changes: Any) -> Snapshot:
        made: Snapshot = write(store, "insert", new_task(**changes))[0][0]
        return made

    return make


@pytest.fixture
def running(store: Store) -> Callable[..., Snapshot]:
    """Makes a task that a live worker runs."""
    write(store, "enlist", worker_row("alive"))

    def make(**changes: Any) -> Snapshot:
        made: Snapshot = write(store, "insert", new_task(**{"worker": "alive", **changes}))[0][0]
        return made

    return make
