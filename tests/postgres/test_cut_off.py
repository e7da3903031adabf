"""A worker is cut off from the database that others reach: it stops in time, they go on, its late word is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.crash.processes import Host
from tests.postgres import network
from tests.postgres.conftest import Worlds
from tests.postgres.network import Network
from tests.postgres.proxy import Proxy
from tests.postgres.server import Server
from tests.postgres.world import ServerWorld

LEASE = 3.0
SOON = 3.0


class Cable(NamedTuple):
    """Between one worker and the database."""

    worker: Callable[..., Host]
    pull: Callable[[], None]
    plug: Callable[[], None]


@pytest.fixture
def world(worlds: Worlds, request: pytest.FixtureRequest) -> ServerWorld:
    machines = (
        request.getfixturevalue("machines") if "network" in request.node.callspec.params.get("cable", "") else None
    )
    return worlds(on=machines.server if machines else None, lease=LEASE, drain=0.5)


class Machines:
    """A database on one machine, and room for others."""

    def __init__(self) -> None:
        self.network = Network()
        machine = self.network.machine()
        self.server = Server(machine.address, machine.prefix).make()

    def close(self) -> None:
        self.server.close()
        self.network.close()


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    if not network.possible():
        pytest.skip("network namespaces need Linux and root")
    made = Machines()
    yield made
    made.close()


@pytest.fixture(params=["connections broken", "packets lost", "a machine of a network"])
def cable(request: pytest.FixtureRequest, world: ServerWorld) -> Cable:
    if "network" in request.param:
        machine = request.getfixturevalue("machines").network.machine()
        return Cable(lambda **o: world.worker(prefix=machine.prefix, **o), machine.pull_the_cable, machine.plug_it_in)
    proxy: Proxy = request.getfixturevalue("proxy")
    pull = proxy.cut if request.param == "connections broken" else proxy.silence
    return Cable(lambda **o: world.worker(url=world.on(world.server, proxy.port), **o), pull, proxy.mend)
