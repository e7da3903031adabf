"""The database file is deleted or moved away under the running processes."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.crash.processes import until
from tests.crash.world import FileWorld

FILES = ["", "-wal", "-shm"]
ANSWERS = 5.0
"""Seconds that a poll takes at most which would like to write down what it answers, and cannot: two, and what a machine
stands still now and then."""
WITHIN = 20.0
"""Seconds that a test waits for what nothing hinders."""


def delete(path: Path, *, everything: bool) -> None:
    """``rm tasks.db``, or ``rm tasks.db*``."""
    for end in FILES if everything else FILES[:1]:
        path.with_name(path.name + end).unlink()


def move(path: Path, to: Path) -> None:
    """Move a database with what belongs to it."""
    for end in FILES:
        path.with_name(path.name + end).rename(to.with_name(to.name + end))


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("embedded", [True, False])
def test_a_submit_says_that_the_file_is_gone(world: FileWorld, everything: bool, embedded: bool) -> None:
    process = world.worker(embedded=embedded)
    world.before_deletion()
    delete(world.path, everything=everything)

    answer = process.try_submit("quick", 1)

    world.record("file deleted at submit", "ledger-unavailable (to the caller)", answer["took"])
    assert answer["error"] == "ledger-unavailable"
    assert "has been deleted or moved away" in answer["message"]
    assert answer["took"] < 10
    assert not world.path.exists()


@pytest.mark.parametrize("everything", [True, False])
def test_a_task_that_ends_after_the_file_is_gone_is_answered_as_failed_by_its_bound(
    world: FileWorld, everything: bool
) -> None:
    worker, web = world.worker(lease=1), world.submitter(lease=1)  # nobody beats beside it who could find it silent
    task = worker.submit("held", world.gate(), timeout=5, start_timeout=0.5)
    assert web.look(task)["status"] == "running"
    world.executing(task)
    bound = world.row(task)["settles_at"]
    world.before_deletion()
    assert not world.ledger.get(task).settled
    delete(world.path, everything=everything)
    world.open_gate()

    open_at = 0

    def answered(answer: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal open_at
        if answer.get("settled"):
            return answer
        open_at = max(open_at, answer.get("as_of", 0))
        return None

    for process in (web, worker):  # neither process can write it down, so each says it for itself
        answer = until(lambda process=process: answered(process.look(task)), WITHIN, "a poll sees it settled")
        assert answer["reason"] == "timeout"
        assert open_at < bound <= answer["as_of"]
        if process is web:
            late = (world.now() - bound) / 1000
            world.record("file deleted as a task ends, a poll", "failed / timeout (after settles_at)", late)
            assert 0 <= late < ANSWERS
    assert world.polled(task, within=ANSWERS).reason == "timeout"


def test_a_file_that_is_put_back_gets_the_outcome(world: FileWorld) -> None:
    worker = world.worker()
    task = worker.submit("held", world.gate())
    world.executing(task)
    away = world.folder / "away.db"
    move(world.path, away)
    world.open_gate()
    assert worker.try_submit("quick", 1)["error"] == "ledger-unavailable"

    move(away, world.path)
    back = time.monotonic()
    row = world.written(task, WITHIN)

    world.record(
        "file moved away as a task ends, and put back", "completed (after it was back)", time.monotonic() - back
    )
    assert row["status"] == "completed"
    assert world.written(worker.submit("quick", 2), WITHIN)["status"] == "completed"


def test_a_process_that_starts_after_the_file_is_gone_begins_an_empty_ledger_and_the_others_follow(
    world: FileWorld,
) -> None:
    worker = world.worker(lease=4)
    lost = worker.submit("held", world.gate())
    world.executing(lost)
    world.before_deletion()
    delete(world.path, everything=True)
    world.open_gate()

    newcomer = world.worker(lease=4)
    task = newcomer.submit("quick", 1)

    assert world.written(task, WITHIN)["status"] == "completed"
    until(
        lambda: worker.look(lost).get("error") == "not-found",
        WITHIN,
        "the old process answers that there is no such task",
    )

    def runs_what_it_submits() -> bool:  # until it has read of its new row, the other one is as likely to take it
        again = worker.submit("quick", 2)
        assert world.written(again, WITHIN)["status"] == "completed"
        return [execution.pid for execution in world.executions(again)] == [worker.pid]

    until(runs_what_it_submits, WITHIN, "the old process has enlisted anew, and runs tasks itself")


def test_after_half_a_deletion_a_start_says_what_to_do_and_works_once_the_others_have_ended(world: FileWorld) -> None:
    """``rm tasks.db`` alone leaves the log of those who have it open; a new database beside it would be damaged."""
    worker = world.worker()
    world.before_deletion()
    delete(world.path, everything=False)

    newcomer = world.worker(wait=False)
    newcomer.ended(within=20)
    assert "was deleted while processes had it open" in world.log_of(newcomer)
    assert "End them all, then start again" in world.log_of(newcomer)
    assert not world.path.exists()
    worker.signal(signal.SIGTERM)
    worker.ended(within=WITHIN)

    task = world.worker().submit("quick", 1)
    assert world.written(task, WITHIN)["status"] == "completed"
