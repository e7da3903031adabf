"""Crash tests on PostgreSQL servers of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from settled.testing.proxy import Proxy
from tests.conftest import MEASURED
from tests.postgres.server import Server
from tests.postgres.world import ServerWorld

HERE = Path(__file__).parent

Worlds = Callable[..., ServerWorld]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.crash)


@pytest.fixture(scope="session")
def servers() -> Iterator[Server]:
    """One server for the tests of a process, each of which leaves it running."""
    made = Server().make()
    yield made
    made.close()


@pytest.fixture
def server(servers: Server) -> Iterator[Server]:
    yield servers
    servers.ensure()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A network between some process and the server."""
    made = Proxy(server.host, server.port)
    yield made
    made.close()


@pytest.fixture
def worlds(server: Server, tmp_path: Path, record_property: Callable[[str, Any], None]) -> Iterator[Worlds]:
    """Makes a world; keywords are options of ``Tasks`` for all its processes."""
    made: list[ServerWorld] = []

    def make(on: Server | None = None, **options: Any) -> ServerWorld:
        record = lambda *measured: record_property(MEASURED, measured)  # noqa: E731
        made.append(ServerWorld(tmp_path, record, on or server, **options))
        return made[-1]

    yield make
    for world in made:
        world.close()
