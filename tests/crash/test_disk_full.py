"""The ledger's disk is full: a clear error at submit, the true outcome when room comes, else failed on time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.crash.conftest import Worlds
from tests.crash.disks import MountedDisk, ShimmedDisk, small_disk
from tests.crash.processes import Host, until
from tests.crash.world import HELD, World

Disk = MountedDisk | ShimmedDisk
WRITTEN = 5.0
"""Seconds from the moment that there is room until what waited for it is written, on a busy machine."""
WITHIN = 20.0
"""Seconds that a test waits for what nothing hinders any more."""


@pytest.fixture(params=[small_disk, ShimmedDisk], ids=["mounted", "shimmed"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    if request.param is ShimmedDisk:
        folder.mkdir()
    made = request.param(folder)
    yield made
    made.close()


@pytest.fixture
def small(disk: Disk, worlds: Worlds) -> World:
    """A world whose ledger is on a small disk of its own."""
    return worlds(ledger_folder=disk.folder, lease=4)


def test_a_submit_says_at_once_that_the_disk_is_full_and_leaves_nothing(small: World, disk: Disk) -> None:
    worker = small.worker(environment=disk.environment)
    disk.fill()

    answer = worker.try_submit("quick", "x" * 200_000)
    small.record("disk full at submit", "ledger-full (to the caller)", answer["took"])

    assert answer["error"] == "ledger-full"
    assert "Free some room" in answer["message"]
    assert answer["took"] < 4, "it waited for room"
    disk.make_room()
    task = worker.submit("quick", 2)
    assert small.written(task, WITHIN)["status"] == "completed"
    assert list(small.rows()) == [task]


def end_on_a_full_disk(small: World, disk: Disk, worker: Host, names: Sequence[str], **using: float) -> list[str]:
    """Have tasks end while nothing can be written."""
    tasks = [worker.submit(name, small.gate(), **using) for name in names]
    for task in tasks:
        small.executing(task)
    disk.fill()
    until(lambda: "error" in worker.try_submit("quick", "x" * 200_000), WITHIN, "nothing can be written")
    small.open_gate()
    return tasks


def test_a_task_that_ends_on_a_full_disk_is_written_when_room_comes(small: World, disk: Disk) -> None:
    worker = small.worker(environment=disk.environment)
    tasks = end_on_a_full_disk(small, disk, worker, HELD)
    answers = [worker.look(task) for task in tasks]
    assert {answer["status"] for answer in answers} == {"running"}

    disk.make_room()
    room = time.monotonic()
    rows = [small.written(task, WRITTEN) for task in tasks]

    small.record("disk full as a task ends, then room", "completed (after the room)", time.monotonic() - room)
    assert {row["status"] for row in rows} == {"completed"}


def test_a_poll_past_the_bound_answers_failed_on_a_full_disk_and_is_never_contradicted(
    small: World, disk: Disk
) -> None:
    worker, web = small.worker(environment=disk.environment), small.submitter(environment=disk.environment)
    tasks = end_on_a_full_disk(small, disk, worker, HELD[:2], timeout=2, start_timeout=0.5)
    bound = max(small.row(task)["settles_at"] for task in tasks)

    until(lambda: small.now() >= bound, WITHIN, "the bound is reached")
    for process in (worker, web):
        for task in tasks:
            answer = process.look(task)
            assert (answer["status"], answer["reason"]) == ("failed", "timeout")
    small.record(
        "disk full past settles_at, a poll", "failed / timeout (after settles_at)", (small.now() - bound) / 1000
    )
    disk.make_room()

    assert {small.written(task, WITHIN)["reason"] for task in tasks} == {"timeout"}


def test_a_server_that_starts_on_a_full_disk_answers_and_works_once_there_is_room(small: World, disk: Disk) -> None:
    first = small.worker(environment=disk.environment)
    done = first.submit("quick", 1)
    small.written(done, WITHIN)
    first.kill()
    waiting = small.submit("quick", 2)
    disk.fill()

    second = small.worker(environment=disk.environment)
    assert second.look(done)["status"] == "completed"
    assert second.look(waiting)["status"] == "pending"
    assert second.try_submit("quick", "x" * 200_000)["error"] == "ledger-full"
    disk.make_room()

    assert small.written(waiting, WITHIN)["status"] == "completed"
    assert small.written(second.submit("quick", 3), WITHIN)["status"] == "completed"


def test_a_process_that_starts_on_a_full_disk_answers_for_what_has_settled(small: World, disk: Disk) -> None:
    worker = small.worker(environment=disk.environment)
    done = worker.submit("quick", 1)
    overdue = small.submit("held", small.gate(), start_timeout=0.2, timeout=0.2, attempts=1)
    small.written(done, WITHIN)
    disk.fill()
    worker.kill()

    web = small.submitter(environment=disk.environment)

    assert web.look(done)["status"] == "completed"
    until(lambda: web.look(overdue)["settled"], WITHIN, "it answers for what is overdue too")
    disk.make_room()
