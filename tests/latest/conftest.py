"""A host for each test, on either database, and a process of it that reads keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.host import Host
from tests.latest.process import Process


@pytest.fixture(params=["sqlite", "postgres"])
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Host]:
    made = Host(tmp_path, request.param)
    yield made
    made.close()


@pytest.fixture
def process(host: Host) -> Process:
    return Process(host)
