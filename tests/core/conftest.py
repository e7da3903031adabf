"""A machine for each test, with a ledger file and a clock that stands still.

``SETTLED_EFFORT=20`` makes the property tests and the state machine twenty times as thorough.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from settled.ledger import Ledger
from tests.core.host import Host

EFFORT = int(os.environ.get("SETTLED_EFFORT", "1"))
settings.register_profile(
    "settled",
    settings(),
    max_examples=100 * EFFORT,
    deadline=None,  # machines are busy
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("settled")


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
