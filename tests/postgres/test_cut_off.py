"""A worker is cut off from the database that others reach: it stops in time, they go on, its late word is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from settled.membership import Membership
from settled.testing.proxy import Proxy
from tests.crash import functions
from tests.crash.functions import PROCESSES
from tests.crash.processes import Host, until
from tests.crash.world import gone
from tests.postgres import network
from tests.postgres.conftest import Worlds
from tests.postgres.network import Network
from tests.postgres.server import Server
from tests.postgres.world import ServerWorld

LEASE = 6.0
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
    lease = getattr(request, "param", LEASE)
    return worlds(on=machines.server if machines else None, lease=lease, drain=0.5)


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


@pytest.mark.parametrize("world", [2 * LEASE], indirect=True)
@pytest.mark.parametrize("name", ["held", "held_in_thread", "held_in_process"])
def test_a_cut_shorter_than_the_lease_is_not_noticed(world: ServerWorld, cable: Cable, name: str) -> None:
    victim = cable.worker()
    task = victim.submit(name, world.gate(), attempts=2)
    world.executing(task)

    cable.pull()
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2 * LEASE / 3, PATIENT, "a third of the lease passes")
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
    world.record(f"a worker cut off, lease of {LEASE:g} s", "begun by another worker", time.monotonic() - cut)
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


@pytest.fixture
def far(worlds: Worlds) -> ServerWorld:
    """A world where a lease takes far longer than a lock's loss takes to be seen."""
    return worlds(lease=12.0, drain=0.5)


@pytest.mark.parametrize("loop", ["free", "held by a task"])
def test_a_process_is_ended_before_another_worker_may_begin_though_the_lock_has_gone_long_before(
    far: ServerWorld, proxy: Proxy, loop: str
) -> None:
    victim = far.worker(url=far.over_the_network(proxy.port))
    other = far.worker()
    task = victim.submit("held_in_process", far.gate(), attempts=2)
    first = far.executing(task)
    if loop != "free":
        far.executing(victim.submit("blocks_the_loop", 60))

    proxy.cut()
    last = far.workers()[victim.worker]
    assert json.loads(last["processes"]) == sorted(function.__name__ for function in PROCESSES)
    put_back = far.written(task, PATIENT, "pending")
    assert far.now() < last["heard_at"] + last["lease_ms"] <= put_back["due_at"]
    second = far.executing(task, attempt=2, within=PATIENT)
    assert gone(first.pid), "two processes worked at one task"

    far.open_gate()
    row = far.written(task, PATIENT)
    assert (row["status"], row["attempt"], row["worker"]) == ("completed", 2, other.worker)
    assert second.pid != first.pid
    proxy.mend()


@pytest.mark.parametrize("how", ["broken", "silent"])
def test_a_process_is_ended_at_its_timeout_though_its_worker_waits_for_an_answer(
    far: ServerWorld, proxy: Proxy, how: str
) -> None:
    victim = far.worker(url=far.over_the_network(proxy.port))
    far.worker()
    task = victim.submit("held_in_process", far.gate(), attempts=2, timeout=6.0)
    first = far.executing(task)
    (proxy.cut if how == "broken" else proxy.silence)()
    far.executing(task, attempt=2, within=PATIENT)
    assert gone(first.pid), "two processes worked at one task"
    far.open_gate()
    proxy.mend()


def test_what_was_claimed_while_a_task_held_the_loop_does_not_begin_when_its_time_is_over(
    far: ServerWorld, proxy: Proxy
) -> None:
    victim = far.worker(url=far.over_the_network(proxy.port))
    held = victim.submit("holds_the_loop", far.gate("loop"))
    far.executing(held)
    task = victim.submit("held_in_process", far.gate(), attempts=2, timeout=6.0)
    proxy.silence()
    far.worker(without="holds_the_loop")
    far.executing(task, attempt=2, within=PATIENT)
    opened = far.open_gate("loop")
    until(lambda: time.monotonic() - opened > 1.5, PATIENT, "a process would have begun")
    proxy.mend()
    until(lambda: victim.look(held).get("status") == "completed", PATIENT, "its loop is free")
    far.open_gate()
    assert far.written(task, PATIENT)["attempt"] == 2
    assert [execution.attempt for execution in far.executions(task)] == [2]


def test_a_worker_that_is_back_just_before_its_lease_is_over_spends_no_attempt_on_that(
    far: ServerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(functions.EVIDENCE, far.environment()[functions.EVIDENCE])
    tasks = functions.build(far.url, lease=12.0, drain=0.5)
    far.open_gate()
    with monkeypatch.context() as cut_off:
        cut_off.setattr(Membership, "beat", lambda self: True)  # it did not come through
        tasks.start()
        tasks.ledger.membership._renewed_at -= 11.5
        task = tasks.functions["held_in_process"].submit(far.gate())
        assert task.snapshot.status == "pending"
    ending = task.wait(PATIENT)
    tasks.stop()
    assert (ending.end, far.row(task.id)["attempt"]) == ("completed", 1)


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
