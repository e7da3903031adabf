"""A world for each file of tests, kept for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import brokers
from tests.engines.adopt.world import AdoptedWorld


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdoptedWorld]:
    """On RabbitMQ and a file."""
    world = AdoptedWorld(tmp_path_factory.mktemp("adopted"), brokers.rabbitmq_url())
    yield world
    world.close()


@pytest.fixture
def shop(shared: AdoptedWorld) -> Iterator[AdoptedWorld]:
    """With a worker alive; at the end the doctor finds nothing broken."""
    shared.up()
    yield shared
    shared.check()
