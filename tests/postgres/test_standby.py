"""A standby is promoted in the middle, and a replica lags behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from settled import Ledger, Snapshot, TaskNotFound
from settled.stores.urls import store_of
from tests.crash.processes import until
from tests.crash.world import HELD
from tests.postgres.conftest import Worlds
from tests.postgres.server import Server
from tests.postgres.test_restarted import BACK
from tests.postgres.world import ServerWorld


@pytest.fixture
def world(worlds: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerWorld:
    monkeypatch.setenv("SETTLED_STATE_FOLDER", str(tmp_path / "state"))
    return worlds(drain=1.0, lease=4.0)


@pytest.fixture
def worlds(standby: Server, worlds: Worlds) -> Worlds:
    """Ended before the standby is."""
    return worlds


@pytest.fixture
def server() -> Iterator[Server]:
    """One for each test: what was a primary once does not come back as one."""
    made = Server().make()
    yield made
    made.close()


@pytest.fixture
def standby(server: Server) -> Iterator[Server]:
    made = server.standby()
    yield made
    made.close()


def caught_up(server: Server, standby: Server) -> None:
    here = server.sql("SELECT pg_current_wal_lsn()")[0][0]
    until(
        lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{here}'::pg_lsn")[0][0], 20, "the standby has it all"
    )


def test_what_runs_while_the_primary_dies_is_written_to_the_promoted_one(
    world: ServerWorld, server: Server, standby: Server
) -> None:
    either = (
        f"postgresql://postgres@{server.host}:{server.port},{standby.host}:{standby.port}/postgres"
        f"?target_session_attrs=read-write&schema={world.schema}"
    )
    worker = world.worker(url=either)
    tasks = [worker.submit(name, world.gate()) for name in HELD]
    for task in tasks:
        world.executing(task)
    waiting = worker.submit("held", world.gate("another"), start_timeout=120)
    caught_up(server, standby)

    server.crash()
    world.open_gate()
    standby.promote()
    world.moves_to(standby)
    promoted = time.monotonic()

    for task in tasks:
        row = world.written(task, BACK)
        assert (row["status"], row["attempt"]) == ("completed", 1)
    world.record("a standby promoted as tasks end", "completed (after it)", time.monotonic() - promoted)
    world.open_gate("another")
    assert world.written(waiting, BACK)["status"] == "completed"
    assert len(world.executions()) == len(tasks) + 1
    assert world.written(worker.submit("quick", 1), BACK)["status"] == "completed"


def test_a_replica_answers_late_but_truly_and_is_asked_to_write_nothing(world: ServerWorld, server: Server) -> None:
    worker = world.worker()
    known = worker.submit("quick", 1)
    assert world.written(known, BACK)["status"] == "completed"
    replica = server.standby()
    page = Ledger(store_of(f"{replica.url()}?schema={world.schema}"))
    try:
        page.open()

        def seen(task: str) -> Snapshot | None:
            try:
                return page.get(task)
            except TaskNotFound:
                return None  # what a page is told just after its submit, and bears for a while

        replica.sql("SELECT pg_wal_replay_pause()")
        until(lambda: replica.sql("SELECT pg_get_wal_replay_pause_state()") == [("paused",)], 20, "the replica lags")
        task = worker.submit("quick", 2)
        assert world.written(task, BACK)["status"] == "completed"
        assert seen(task) is None
        replica.sql("SELECT pg_wal_replay_resume()")
        found = until(lambda: seen(task), 20, "the replica has heard of it")
        assert found.status in ("running", "completed")
        until(lambda: page.get(task).settled, 20, "and how it ended")
        assert page.get(known).result == 1
    finally:
        page.close()
        replica.close()
