"""The server crashes and comes back, at every point of a task's life: nothing is lost, nothing runs twice."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from settled.ledger import SUBMIT_PATIENCE
from settled.testing.proxy import Proxy
from tests.crash.processes import until
from tests.crash.world import HELD
from tests.postgres.conftest import Worlds
from tests.postgres.server import Server
from tests.postgres.world import ServerWorld

BACK = 20.0
"""Seconds in which a test waits for what is a matter of one, on a machine that is busy."""


@pytest.fixture
def world(worlds: Worlds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ServerWorld:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # where the journal is
    return worlds(drain=1.0)


@pytest.mark.parametrize("name", HELD)
def test_a_task_that_runs_meanwhile_completes(world: ServerWorld, server: Server, name: str) -> None:
    worker = world.worker()
    task = worker.submit(name, world.gate())
    world.executing(task)

    server.restart()
    world.open_gate()

    assert world.written(task, BACK)["status"] == "completed"
    assert len(world.executions(task)) == 1


@pytest.mark.parametrize("name", HELD)
def test_a_task_that_ends_meanwhile_is_written_when_the_server_is_back(
    world: ServerWorld, server: Server, name: str
) -> None:
    worker = world.worker()
    task = worker.submit(name, world.gate())
    world.executing(task)

    server.crash()
    world.open_gate()
    until(lambda: kept(world) == 1, 10, "its outcome is in the journal")
    server.start()
    back = time.monotonic()

    assert world.written(task, BACK)["status"] == "completed"
    world.record("PostgreSQL down as a task ends", "completed (after it was back)", time.monotonic() - back)
    until(lambda: kept(world) == 0, BACK, "the journal is cleaned up")


def test_what_a_killed_process_could_not_write_is_written_by_the_next_one_of_its_machine(
    world: ServerWorld, server: Server
) -> None:
    worker = world.worker()
    task = worker.submit("held", world.gate())
    world.executing(task)
    server.crash()
    world.open_gate()
    until(lambda: kept(world) == 1, 10, "its outcome is in the journal")
    worker.kill()

    server.start()
    world.submitter()

    assert world.written(task, BACK)["status"] == "completed"
    assert len(world.executions(task)) == 1


def kept(world: ServerWorld) -> int:
    """How many outcomes the journals of this machine hold."""
    lines = 0
    for file in (world.folder / "state").rglob("journal-*.jsonl"):
        with suppress(FileNotFoundError):  # its worker has just written them all, and removed it
            lines += len(file.read_text().splitlines())
    return lines


def test_a_submit_meanwhile_is_a_clear_error_and_leaves_nothing(world: ServerWorld, server: Server) -> None:
    worker = world.worker()
    server.crash()

    answer = worker.try_submit("quick", 1)
    server.start()

    world.record("PostgreSQL down at submit", "ledger-unavailable (to the caller)", answer["took"])
    assert answer["error"] == "ledger-unavailable"
    assert answer["took"] < 3 * SUBMIT_PATIENCE
    assert world.rows() == {}
    task = until(lambda: worker.try_submit("quick", 1).get("id"), BACK, "a submit after it")
    assert world.written(task, BACK)["status"] == "completed"


def test_a_submit_waits_for_a_server_that_is_back_soon(world: ServerWorld, proxy: Proxy) -> None:
    """Behind a proxy: a real one may take as long to be back as a submit waits."""
    worker = world.worker(url=world.over_the_network(proxy.port))
    proxy.cut()
    worker.order(do="submit", name="quick", args=[1], using={})
    time.sleep(0.5)  # it has been tried meanwhile, more than once
    proxy.mend()
    until(lambda: len(world.rows()) == 1, BACK, "it is submitted")
    assert world.written(next(iter(world.rows())), BACK)["status"] == "completed"


def test_what_waits_to_be_picked_up_survives(world: ServerWorld, server: Server) -> None:
    task = world.submitter().submit("quick", 1)
    server.restart()
    world.worker()
    assert world.written(task, BACK)["status"] == "completed"


def test_nobody_is_lost_for_an_outage_that_is_longer_than_every_lease(worlds: Worlds, server: Server) -> None:
    world = worlds(lease=4.0)
    first, second = world.worker(), world.worker()
    tasks = [worker.submit("held", world.gate()) for worker in (first, second)]
    for task in tasks:
        world.executing(task)

    server.crash()
    begun = time.monotonic()
    until(lambda: time.monotonic() - begun > 5, BACK, "every lease is over")
    server.start()
    until(lambda: beaten_since(world, world.now()), BACK, "both are heard again")
    world.open_gate()

    for task in tasks:
        row = world.written(task, BACK)
        assert (row["status"], row["attempt"]) == ("completed", 1), row
    assert len(world.executions()) == 2


def beaten_since(world: ServerWorld, instant: int) -> bool:
    def all_heard() -> bool:
        return all(row["heard_at"] >= instant for row in world.workers().values())

    return bool(until(all_heard, BACK, "a heartbeat of each worker"))


def test_a_worker_killed_meanwhile_is_lost_by_its_lease(worlds: Worlds, server: Server) -> None:
    world = worlds(lease=2.0)
    victim, _ = world.worker(), world.worker()
    task = victim.submit("held", world.gate())
    world.executing(task)

    server.crash()
    victim.kill()
    server.start()
    back = time.monotonic()

    row = world.written(task, BACK)
    world.record("killed while PostgreSQL was down, lease of 2 s", f"failed / {row['reason']}", time.monotonic() - back)
    assert (row["status"], row["reason"]) == ("failed", "worker_lost")


def test_three_crashes_in_a_row_under_load_leave_every_task_settled(worlds: Worlds, server: Server) -> None:
    world = worlds(lease=10.0)
    workers = [world.worker(), world.worker()]
    tasks: list[str] = []
    for _ in range(3):
        for worker in workers:
            for number in range(20):
                found = worker.try_submit("sleeps", number / 40, attempts=3)
                tasks += [found["id"]] if "id" in found else []
        server.restart()
    assert tasks
    for task in tasks:
        row = world.written(task, 20)
        assert row["status"] == "completed", row
    for worker in workers:
        worker.signal(signal.SIGTERM)
        worker.ended(within=20)
