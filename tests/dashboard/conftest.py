"""A ledger of each store for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.world import Place
from tests.stores.worlds import WORLDS


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=sorted(WORLDS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    world = WORLDS[request.param](tmp_path)
    made = Place(world)
    yield made
    made.ledger.close()
    world.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Place]:
    """For what no database has a part in."""
    world = WORLDS["sqlite"](tmp_path)
    made = Place(world)
    yield made
    made.ledger.close()
    world.close()
