"""A world for each engine, kept for all of its tests, which run in one process, one after the other."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack

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
    return pytest.mark.parametrize("named", [_param(name) for name in names], indirect=True)


def _param(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.xdist_group(name))


class Worlds:
    """The world that is open in this process, if one is: those of another engine begin when it has ended."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._name = ""
        self._open = ExitStack()
        self._world: EngineWorld

    def of(self, named: str) -> EngineWorld:
        """The world of an engine, opened if it is not yet."""
        if named != self._name:
            self.close()
            name, on, _ = named.partition(ON)
            folder = self._folders.mktemp(named)
            ledger = PostgresLedger() if on else FileLedger(folder)
            self._open.callback(ledger.close)
            kind = KINDS[name]()
            self._open.callback(kind.close)
            self._world = EngineWorld(folder, kind, ledger.url, ledger.eyes)
            self._open.callback(self._world.close)
            self._name = named
        return self._world

    def close(self) -> None:
        """End its workers, and what watches them in this process: none of these ever rests."""
        self._name = ""
        self._open.close()


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory)
    yield made
    made.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    yield
    worlds: Worlds | None = getattr(item, "funcargs", {}).get("worlds")
    if worlds is not None and "worlds" not in getattr(nextitem, "fixturenames", ()):
        worlds.close()


@pytest.fixture(scope="session", params=[_param(name) for name in [*KINDS, *ON_POSTGRES]])
def named(request: pytest.FixtureRequest) -> str:
    """An engine; for the whole run, so that the tests of one follow each other."""
    return str(request.param)


@pytest.fixture
def shared(named: str, worlds: Worlds) -> EngineWorld:
    return worlds.of(named)


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
