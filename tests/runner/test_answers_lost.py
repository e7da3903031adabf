"""The ledger has written that a task runs here, and its answer is lost: it runs here, once, and without delay."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from settled import Context, LedgerUnavailable, Snapshot, Status, Tasks
from settled.stores.base import Change, Written
from settled.writer import RETRY_PAUSE
from tests.runner.stage import BOUND, Stage, comes_true

Write = Callable[[Sequence[Change]], Any]


class Robber:
    """Stands between a process and its ledger, and robs it of the answer to one write of some kind."""

    def __init__(self, tasks: Tasks, verb: str, rob: Callable[[Write, Sequence[Change]], Any]) -> None:
        self.robbed = False
        store = tasks.ledger.store
        write = store.write

        def robbed(changes: Sequence[Change]) -> Any:
            if self.robbed or verb not in [change.verb for change in changes]:
                return write(changes)
            self.robbed = True
            return rob(write, changes)

        store.write = robbed  # type: ignore[method-assign]


def lose(write: Write, changes: Sequence[Change]) -> Any:
    """Write it, and say that nobody answered."""
    write(changes)
    raise LedgerUnavailable("The connection broke.")


class Runs:
    """Counts the calls of a function, and how many go on at once."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.most = self._now = 0
        self._guard = threading.Lock()

    def call(self, number: int) -> int:
        with self._guard:
            self._now += 1
            self.most = max(self.most, self._now)
            self.calls.append(number)
        threading.Event().wait(0.02)
        with self._guard:
            self._now -= 1
        return number


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, "thread")


def waiting(stage: Stage, number: int) -> list[str]:
    """Tasks that wait, submitted by a process that runs none."""
    tasks = stage.tasks(embedded=False)
    work = stage.register(tasks, lambda number: number, name="work")
    ids = [work.submit(each).id for each in range(number)]
    tasks.stop()
    return ids


def rows_of(tasks: Tasks, ids: Sequence[str]) -> list[Snapshot]:
    return [tasks.get(each) for each in ids if tasks.wait(each, BOUND)]


def test_what_was_claimed_runs_once_and_never_beyond_the_places(stage: Stage) -> None:
    ids, runs = waiting(stage, 7), Runs()
    tasks = stage.tasks(threads=2)
    stage.register(tasks, runs.call, name="work")
    robber = Robber(tasks, "claim", lose)
    tasks.start()
    rows = rows_of(tasks, ids)
    assert robber.robbed
    assert [(row.status, row.attempt, row.result) for row in rows] == [
        (Status.COMPLETED, 1, number) for number in range(7)
    ]
    assert sorted(runs.calls) == list(range(7))
    assert runs.most <= 2
    tasks.stop()


def test_what_was_claimed_has_the_time_that_is_left_of_its_timeout(stage: Stage) -> None:
    """It counts from the claim, as its row's deadline does; the writer pauses before it tries again."""

    def time_left(number: int, context: Context) -> float:
        return context.time_left

    ids = waiting(stage, 1)
    tasks = stage.tasks(threads=2)
    tasks.task(name="work", timeout=30, isolation="thread")(time_left)
    Robber(tasks, "claim", lose)
    tasks.start()
    assert rows_of(tasks, ids)[0].result < 30 - RETRY_PAUSE
    tasks.stop()


def test_who_waits_behind_what_was_claimed_begins_as_soon_as_a_place_is_free(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, goes_on = waiting(stage, 3), threading.Event()
    tasks = stage.tasks(threads=2)
    stage.register(tasks, lambda number: goes_on.wait(BOUND), name="work")
    Robber(tasks, "claim", lose)
    tasks.start()
    assert comes_true(lambda: sum(row.status is Status.RUNNING for row in tasks.ledger.list()) == 2)
    engine = tasks._service.engine
    assert engine is not None
    assert comes_true(lambda: len(engine._attempts) == 2)
    monkeypatch.setattr("settled.engines.embedded.TICK", 10 * BOUND)
    assert comes_true(lambda: engine._due_in == 10 * BOUND)  # from here on it looks when it is rung for
    goes_on.set()
    assert [row.status for row in rows_of(tasks, ids)] == [Status.COMPLETED] * 3
    tasks.stop()


def test_what_was_claimed_to_be_run_together_runs_once(stage: Stage) -> None:
    ids = waiting(stage, 5)
    calls: list[list[int]] = []

    def together(numbers: list[int]) -> list[int]:
        calls.append(numbers)
        return numbers

    tasks = stage.tasks(threads=1)
    tasks.task(name="work", batch=3, timeout=30)(together)
    robber = Robber(tasks, "claim", lose)
    tasks.start()
    assert [row.result for row in rows_of(tasks, ids)] == list(range(5))
    assert robber.robbed
    assert sorted(number for call in calls for number in call) == list(range(5))
    assert max(map(len, calls)) <= 3
    tasks.stop()


def test_what_was_born_here_runs_though_its_submitter_was_told_that_nobody_answered(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs()
    tasks = stage.tasks(threads=2)
    work = stage.register(tasks, runs.call, name="work")
    assert work.submit(1).wait(BOUND).completed
    monkeypatch.setattr("settled.ledger.SUBMIT_PATIENCE", 0.0)
    Robber(tasks, "insert", lose)
    with pytest.raises(LedgerUnavailable):
        work.submit(2)
    monkeypatch.undo()
    assert comes_true(lambda: all(row.status is Status.COMPLETED for row in tasks.ledger.list()))
    assert runs.calls == [1, 2]
    tasks.stop()


def test_what_a_disk_that_hung_has_claimed_after_all_is_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    (task_id,), runs, goes_on = waiting(stage, 1), Runs(), threading.Event()

    def hang(write: Write, changes: Sequence[Change]) -> Any:
        assert goes_on.wait(BOUND)
        return write(changes)

    monkeypatch.setattr("settled.writer.STALLED", 0.05)
    monkeypatch.setattr("settled.ledger.READ_PATIENCE", 0.1)
    tasks = stage.tasks(threads=2)
    stage.register(tasks, runs.call, name="work")
    Robber(tasks, "claim", hang)
    tasks.start()
    assert comes_true(lambda: any(write.future is None for write in tasks.ledger._writer._in_flight))
    goes_on.set()
    (row,) = rows_of(tasks, [task_id])
    assert (row.status, row.attempt, runs.calls) == (Status.COMPLETED, 1, [0])
    tasks.stop()


def test_what_is_run_by_hand_is_left_alone(stage: Stage) -> None:
    (task_id,), runs = waiting(stage, 1), Runs()
    tasks = stage.tasks(threads=2)
    stage.register(tasks, runs.call, name="work")
    task = tasks.create("by hand", timeout=30)
    with tasks.settling(task) as attempt:
        Robber(tasks, "claim", lose)
        tasks.start()
        assert rows_of(tasks, [task_id])[0].result == 0
        attempt.result = "by hand"
    assert (tasks.get(task.id).result, runs.calls) == ("by hand", [0])
    tasks.stop()


def test_what_another_process_has_begun_before_its_submit_is_answered_is_not_begun_here(stage: Stage) -> None:
    """The answer to a submit that was sent again, on PostgreSQL, is the row as it is by then."""
    other = stage.tasks(embedded=False)
    stage.register(other, lambda number: number, name="work")
    goes_on, calls = threading.Event(), []

    def call(number: int) -> bool:
        calls.append(number)
        return goes_on.wait(BOUND)

    def claim_elsewhere(write: Write, changes: Sequence[Change]) -> Written:
        written = write(changes)
        worker = other.ledger.membership.enlist(["work"])
        (claimed,) = other.ledger.claim(worker, ["work"], 1)
        return Written(written.now, [[(claimed, True)]])

    tasks = stage.tasks(threads=1)
    work = stage.register(tasks, call, name="work")
    tasks.start()
    first = work.submit(0)
    assert comes_true(lambda: calls == [0])
    Robber(tasks, "insert", claim_elsewhere)
    second = work.submit(1)
    goes_on.set()
    assert tasks.wait(first.id, BOUND).unwrap()
    tasks.stop()
    assert calls == [0]
    assert second.snapshot.worker == other.ledger.worker
    other.stop()
