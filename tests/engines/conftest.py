"""A world for each engine, kept for all of its tests, which run in one process, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.processes import until
from tests.engines.kinds import KINDS
from tests.engines.ledgers import FileLedger, PostgresLedger
from tests.engines.worlds import EngineWorld

ON = "-on-postgres"
ON_POSTGRES = tuple(f"{name}{ON}" for name in ("celery-rabbitmq-prefork", "procrastinate"))
"""What an engine does, and what a ledger does, are not two halves of one thing: two engines show it on both."""


def over(*names: str) -> pytest.MarkDecorator:
    """Run a test over these engines alone."""
    return pytest.mark.parametrize("shared", [_param(name) for name in names], indirect=True)


def _param(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.xdist_group(name))


@pytest.fixture(scope="session", params=[_param(name) for name in [*KINDS, *ON_POSTGRES]])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineWorld]:
    name, on, _ = request.param.partition(ON)
    folder = tmp_path_factory.mktemp(request.param)
    ledger = PostgresLedger() if on else FileLedger(folder)
    kind = KINDS[name]()
    world = EngineWorld(folder, kind, ledger.url, ledger.eyes)
    yield world
    try:
        world.close()
    finally:
        kind.close()
        ledger.close()


@pytest.fixture
def world(shared: EngineWorld) -> Iterator[EngineWorld]:
    """With a worker alive; at the end the doctor finds nothing broken."""
    shared.up()
    yield shared
    shared.check()


@pytest.fixture
def idle(shared: EngineWorld) -> Iterator[EngineWorld]:
    """With no worker alive."""
    shared.down()
    until(lambda: shared.kind.consumers() == 0, 30, "the broker has seen that they are gone")
    if shared.kind.command and shared.kind.messages():
        shared.kind.lose_messages()  # a killed worker of Celery may have acknowledged nothing for two seconds
    yield shared
    shared.check()
