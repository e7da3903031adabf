"""A machine for each test, with a ledger file and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from settled.ledger import Ledger
from tests.core.host import Host

BOTH = ("test_settle_on_read", "test_leases", "test_cancel_retry", "test_batches")
"""What runs on either database."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "host" in metafunc.fixturenames:
        both = metafunc.module.__name__.rpartition(".")[2] in BOTH
        metafunc.parametrize("host", ["sqlite", "postgres"] if both else ["sqlite"], indirect=True)


@pytest.fixture
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Host]:
    made = Host(tmp_path, request.param)
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
