"""A machine for each test, with a ledger file and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from settled.ledger import Ledger
from tests.core.host import Host


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.close()


@pytest.fixture
def ledger(host: Host) -> Ledger:
    """A process that only submits and reads."""
    return host.ledger()


@pytest.fixture
def worker(host: Host) -> Ledger:
    """A process that runs ``work``."""
    return host.ledger(worker=True)
