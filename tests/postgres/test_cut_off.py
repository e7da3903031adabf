"""A worker is cut off from the database that others reach: it stops in time, they go on, its late word is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from settled.testing.proxy import Proxy
from tests.crash.processes import Host, until
from tests.crash.world import gone
from tests.postgres import network
from tests.postgres.conftest import Worlds
from tests.postgres.network import Network
from tests.postgres.server import Server
from tests.postgres.world import ServerWorld

LEASE = 3.0
PATIENT = 30.0
"""Seconds that a test waits at most for what a lease decides, on a machine that is busy."""


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


@pytest.fixture(
    params=[
        "connections broken",
        "packets lost",
        pytest.param("a machine of a network", marks=pytest.mark.xdist_group("network")),
    ]
)
def cable(request: pytest.FixtureRequest, world: ServerWorld) -> Cable:
    if "network" in request.param:
        machine = request.getfixturevalue("machines").network.machine()
        return Cable(
            lambda **o: world.worker(prefix=machine.prefix, url=world.over_the_network(), **o),
            machine.pull_the_cable,
            machine.plug_it_in,
        )
    proxy: Proxy = request.getfixturevalue("proxy")
    pull = proxy.cut if request.param == "connections broken" else proxy.silence
    return Cable(lambda **o: world.worker(url=world.over_the_network(proxy.port), **o), pull, proxy.mend)


@pytest.fixture
def other(world: ServerWorld, cable: Cable) -> Host:
    """Another worker, which nothing is wrong with; its places are free."""
    return world.worker()


@pytest.mark.parametrize("name", ["held", "held_in_thread", "held_in_process"])
def test_a_cut_shorter_than_the_lease_is_not_noticed(world: ServerWorld, cable: Cable, name: str) -> None:
    victim = cable.worker()
    task = victim.submit(name, world.gate(), attempts=2)
    world.executing(task)

    cable.pull()
    began = time.monotonic()
    until(lambda: time.monotonic() - began > LEASE / 3, LEASE, "a third of the lease passes")
    cable.plug()
    world.open_gate()

    row = world.written(task, PATIENT)
    assert (row["status"], row["attempt"]) == ("completed", 1)
    assert len(world.executions(task)) == 1


def test_a_cut_longer_than_the_lease_gives_the_task_to_another_and_refuses_the_late_word(
    world: ServerWorld, cable: Cable, other: Host
) -> None:
    victim = cable.worker()
    task = victim.submit("held", world.gate(), attempts=2)
    first = world.executing(task)

    cable.pull()
    cut = time.monotonic()
    second = world.executing(task, attempt=2, within=PATIENT)
    world.record("a worker cut off, lease of 3 s", "begun by another worker", time.monotonic() - cut)
    world.open_gate()
    row = world.written(task, PATIENT)
    cable.plug()

    assert (row["status"], row["attempt"], row["result_data"]) == ("completed", 2, "opened")
    assert (first.pid, second.pid) == (victim.pid, other.pid)
    until(lambda: victim.look(task).get("status") == "completed", PATIENT, "the one that was cut off knows it too")
    assert world.row(task) == row


def test_a_task_without_another_attempt_is_lost(world: ServerWorld, cable: Cable, other: Host) -> None:
    victim = cable.worker()
    task = victim.submit("held", world.gate())
    world.executing(task)
    cable.pull()
    row = world.written(task, PATIENT)
    assert (row["status"], row["reason"]) == ("failed", "worker_lost")
    cable.plug()


def test_a_process_is_ended_before_another_worker_may_begin(world: ServerWorld, cable: Cable, other: Host) -> None:
    victim = cable.worker()
    task = victim.submit("held_in_process", world.gate(), attempts=2)
    first = world.executing(task)
    assert not gone(first.pid)

    cable.pull()
    second = world.executing(task, attempt=2, within=PATIENT)
    assert gone(first.pid), "two processes worked at one task"
    world.open_gate()
    cable.plug()

    row = world.written(task, PATIENT)
    assert (row["status"], row["attempt"]) == ("completed", 2)
    assert second.pid != first.pid


def test_the_one_that_was_cut_off_works_again_when_it_is_back(world: ServerWorld, cable: Cable, other: Host) -> None:
    victim = cable.worker()
    cable.pull()
    until(lambda: world.workers().get(victim.worker, {"lost_at": 1})["lost_at"], PATIENT, "it is declared lost")
    cable.plug()

    def runs_what_it_submits() -> bool:
        answer = victim.try_submit("quick", 1)
        if "id" not in answer:
            return False
        assert world.written(answer["id"], PATIENT)["status"] == "completed"
        return [execution.pid for execution in world.executions(answer["id"])] == [victim.pid]

    until(runs_what_it_submits, PATIENT, "it has enlisted anew")
