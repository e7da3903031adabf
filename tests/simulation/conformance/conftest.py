"""The conformance suite of the stores, on the database of the simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from settled.records import Snapshot
from tests.simulation.world import SimulatedWorld
from tests.stores.making import new_task, worker_row
from tests.stores.worlds import write


@pytest.fixture
def world() -> SimulatedWorld:
    return SimulatedWorld()


@pytest.fixture
def store(world: SimulatedWorld) -> Any:
    return world.open()


@pytest.fixture
def pending(store: Any) -> Callable[..., Snapshot]:
    def make(**changes: Any) -> Snapshot:
        made: Snapshot = write(store, "insert", new_task(**changes))[0][0]
        return made

    return make


@pytest.fixture
def running(store: Any) -> Callable[..., Snapshot]:
    write(store, "enlist", worker_row("alive"))

    def make(**changes: Any) -> Snapshot:
        made: Snapshot = write(store, "insert", new_task(**{"worker": "alive", **changes}))[0][0]
        return made

    return make
