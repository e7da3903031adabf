"""A world for each crash test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MEASURED
from tests.crash.world import FileWorld

HERE = Path(__file__).parent

Worlds = Callable[..., FileWorld]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.crash)


@pytest.fixture
def worlds(tmp_path: Path, record_property: Callable[[str, Any], None]) -> Iterator[Worlds]:
    """Makes a world; keywords are options of ``Tasks`` for all its processes."""
    made: list[FileWorld] = []

    def make(**options: Any) -> FileWorld:
        made.append(FileWorld(tmp_path, lambda *measured: record_property(MEASURED, measured), **options))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(worlds: Worlds) -> FileWorld:
    """A world with a lease of 30 s, as by default."""
    return worlds(drain=1.0)
