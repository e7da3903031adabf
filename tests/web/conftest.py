"""Every test of the conformance suite runs over both faces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.web.world import FACES, World, living


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=sorted(FACES))
async def world(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    async with living(tmp_path, FACES[request.param]) as world:
        yield world


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client() as client:
        yield client
