"""A stage with real processes: what each fault does to a task, and how little a stage takes on trust."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from settled import BadInput, TaskFunction
from settled.testing import (
    EVERY_FAULT,
    Exit,
    Fault,
    Freeze,
    Hang,
    Kill,
    LedgerAway,
    OutOfMemory,
    Raise,
    Stage,
    Terminate,
)
from settled.testing.performance import Performance
from settled.testing.processes import children_of
from tests import servers
from tests.crash.processes import until
from tests.crash.world import gone
from tests.testing import shop

pytestmark = pytest.mark.crash

PLAYED: list[tuple[Fault, TaskFunction[..., Any], dict[str, Any], str]] = [
    (Kill(), shop.order, {}, "worker_lost"),
    (Kill(before="sleep"), shop.order_in_a_process, {}, "worker_lost"),
    (Kill("task", line=2), shop.order_in_a_process, {}, "worker_lost"),
    (Exit(at="end"), shop.order_in_a_thread, {}, "worker_lost"),
    (Raise(ConnectionError, line=2), shop.order, {}, "exception"),
    (Raise(ConnectionError, at="end"), shop.order_in_a_thread, {}, "exception"),
    (Hang(line=3), shop.order, {"timeout": 2.0}, "timeout"),
    (Freeze(0.5), shop.order_in_a_thread, {}, "completed"),
    (Freeze(2.5), shop.order, {"timeout": 2.0}, "timeout"),
    (Terminate(line=2), shop.order, {}, "completed"),
    (OutOfMemory(before="await"), shop.order_in_a_small_process, {}, "worker_lost"),
    (LedgerAway(0.5), shop.order, {}, "completed"),
]


@pytest.mark.parametrize(("fault", "function", "limits", "end"), PLAYED, ids=str)
def test_a_fault_strikes_at_its_point_and_the_task_settles(
    stage: Stage, fault: Fault, function: TaskFunction[..., Any], limits: dict[str, Any], end: str
) -> None:
    report = stage.run(function, 21, fault=fault, **limits)
    assert (report.reason or report.task.status) == end, report
    assert report.seconds is not None
    assert [run.attempt for run in report.executions] == [1]
    assert report.result == (42 if end == "completed" else None)


def test_every_fault_is_played_above() -> None:
    assert (
        {type(fault) for fault in EVERY_FAULT} == {type(fault) for fault, *_ in PLAYED} == set(Fault.__subclasses__())
    )


def test_a_worker_that_was_killed_is_started_again_and_the_second_attempt_completes(stage: Stage) -> None:
    report = stage.run(shop.order, 21, fault=Kill(line=2), attempts=2)
    assert (report.result, report.attempts, report.restarts) == (42, 2, 1)
    (first, second) = report.executions
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.pid != second.pid


def test_a_fault_can_wait_for_the_second_attempt_in_the_same_thread(stage: Stage) -> None:
    report = stage.run(shop.order_in_a_thread, None, attempts=2, fault=Raise(KeyError, attempt=2))
    assert (report.reason, report.task.error_type) == ("exception", "KeyError")
    assert "unsupported operand" in (report.task.previous_error or "")
    assert len(set(report.executions)) == 2
    assert len({run.pid for run in report.executions}) == 1


def test_nobody_need_restart_the_worker_for_the_task_to_settle(stage: Stage) -> None:
    report = stage.run(shop.order_in_a_thread, 21, fault=Kill(line=2), restart=False, attempts=1)
    assert (report.reason, report.restarts) == ("worker_lost", 0)


# -- what a stage does not let pass


def test_a_task_that_nobody_settles_fails_the_test(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        stage.ledger, "get", lambda task_id: stage.ledger.store.read([task_id])[0]
    )  # looks, and no more
    with pytest.raises(AssertionError, match=r"was to settle within 3\.5 s, and is still (running|pending)") as failure:
        stage.run(shop.order_in_haste, 21, fault=Kill(), restart=False, start_timeout=1.5)
    assert "The fault was Kill()" in str(failure.value)


def test_a_task_that_changes_after_it_has_settled_fails_the_test(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_by_hand(performance: Performance) -> None:
        """As a late worker does that knows nothing of settled, on a table that nothing protects."""
        with closing(sqlite3.connect(stage.url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute("UPDATE task_results SET result_data = '43'")

    monkeypatch.setattr(Performance, "_let_the_late_come", write_by_hand)
    with pytest.raises(AssertionError, match=r"had settled as completed: 42, and has changed .*: result_data is '43'"):
        stage.run(shop.order, 21)


def test_a_fault_that_never_strikes_fails_the_test(stage: Stage) -> None:
    with pytest.raises(AssertionError, match=r"Kill\(attempt=2\) never struck: 1 attempts began"):
        stage.run(shop.order, 21, fault=Kill(attempt=2))


def test_a_test_is_not_begun_that_would_wait_for_minutes(stage: Stage) -> None:
    with pytest.raises(BadInput, match=r"Give timeout=2"):
        stage.run(shop.order, 21, fault=Hang(), timeout=600)


# -- and the rest


def test_a_postgresql_is_away_while_the_task_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLED_STATE_FOLDER", str(tmp_path))
    attempts = []
    for number in range(3):  # a worker that stands still as the server is back has no lock there, and so may be lost
        folder = tmp_path / str(number)
        folder.mkdir()
        with Stage(folder, servers.postgres()) as stage:
            report = stage.run(shop.order, 21, fault=LedgerAway(1.0), attempts=2)
        assert report.result == 42
        assert report.seconds is not None
        assert report.seconds >= 1.0
        attempts.append(report.attempts)
        if report.attempts == 1:
            break
    assert attempts[-1] == 1, "the outcome of the first attempt is lost each time"


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before = set(children_of(os.getpid()))
    with Stage(tmp_path) as stage:
        report = stage.run(shop.order_in_a_process, 21, fault=Kill(), restart=False)
        (run,) = report.executions
    assert set(children_of(os.getpid())) <= before
    until(lambda: gone(run.pid), 10, "the task's process has ended with its worker")
