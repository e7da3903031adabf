"""The disk of the database is full: a submit says so, an outcome waits, and nothing is half written."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from settled.ledger import SUBMIT_PATIENCE
from tests.crash.disks import MountedDisk, small_disk
from tests.crash.processes import until
from tests.postgres.conftest import Worlds
from tests.postgres.server import ACCOUNT, Server
from tests.postgres.test_restarted import BACK, kept
from tests.postgres.world import ServerWorld

LARGE = 900_000


@pytest.fixture
def disk(server: Server) -> Iterator[MountedDisk]:
    """A small disk of the server's, for what is made with it as the default."""
    made = small_disk(server.folder / "disk")
    if not isinstance(made, MountedDisk):
        made.close()
        pytest.skip("a small disk of its own for PostgreSQL needs Linux and the right to mount")
    shutil.chown(made.folder, ACCOUNT, ACCOUNT)
    server.sql(f"CREATE TABLESPACE small LOCATION '{made.folder}'")
    yield made
    for (schema,) in server.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'world%'"):
        server.sql(f"DROP SCHEMA {schema} CASCADE")
    server.sql("DROP TABLESPACE small")
    made.close()


@pytest.fixture
def worlds(disk: MountedDisk, worlds: Worlds) -> Worlds:
    """Ended before the disk is."""
    return worlds


@pytest.fixture
def world(worlds: Worlds, disk: MountedDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerWorld:
    monkeypatch.setenv("SETTLED_STATE_FOLDER", str(tmp_path / "state"))
    made = worlds(drain=1.0, max_result_bytes=2 * LARGE)
    made.url += f"&options={quote('-c default_tablespace=small')}"
    return made


def test_a_full_disk_is_told_at_a_submit_and_an_outcome_waits_for_room(world: ServerWorld, disk: MountedDisk) -> None:
    worker = world.worker()
    task = worker.submit("held_then_large", world.gate(), LARGE)
    world.executing(task)
    noise = "".join(chr(33 + (number * 7919) % 90) for number in range(LARGE))  # which is not compressed away
    disk.fill()

    answer = worker.try_submit("quick", noise)
    assert answer["error"] == "ledger-full"
    assert answer["took"] < SUBMIT_PATIENCE
    world.record("PostgreSQL's disk full at submit", "ledger-full (to the caller)", answer["took"])
    assert list(world.rows()) == [task]
    world.open_gate()
    until(lambda: kept(world) == 1, BACK, "its outcome is in the journal")

    disk.make_room()
    room = time.monotonic()
    assert world.written(task, BACK)["status"] == "completed"
    world.record("PostgreSQL's disk full as a task ends", "completed (after there was room)", time.monotonic() - room)
    assert world.written(worker.submit("quick", 1), BACK)["status"] == "completed"
