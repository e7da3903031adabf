"""Every test of the conformance suite runs over both faces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.stores.worlds import PostgresWorld
from tests.web.world import FACES, World, living


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


BOTH_DATABASES = ("test_polling",)
"""What runs on PostgreSQL too, where no read may hold up the event loop."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" in metafunc.fixturenames and metafunc.module.__name__.startswith("tests.web."):
        both = metafunc.module.__name__.rpartition(".")[2] in BOTH_DATABASES
        metafunc.parametrize("world", [*sorted(FACES), *(["asgi-postgres"] if both else [])], indirect=True)


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    face, _, database = request.param.partition("-")
    where = PostgresWorld() if database else None
    async with living(tmp_path, FACES[face], where and where.nowhere) as world:
        yield world
    if where is not None:
        where.close()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client() as client:
        yield client
