"""Verdicts: pure functions of the row, its worker and the clock."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settled import verdicts
from settled.policy import pause_ms, reserve_ms
from settled.records import Snapshot, WorkerRow
from settled.states import MOVES, RETRYABLE, Reason, Status

NOW = 1_700_000_000_000


def row(**changes: object) -> Snapshot:
    """The second of three attempts, in its middle."""
    made = Snapshot(
        "id", "work", Status.RUNNING, None, None, None, None, None, '{"args":[],"kwargs":{}}', None, None, None, None,
        2, 3, 10_000, 5_000, 1_000, NOW - 20_000, NOW - 5_000, None, NOW - 6_000, NOW + 5_250, NOW + 40_000, "w",
        None, None, None, None, None, None, None, NOW,
    )  # fmt: skip
    return made._replace(**changes)


def worker(**changes: object) -> WorkerRow:
    return WorkerRow("w", "box", 42, '["work"]', 0, NOW - 1_000, 5_000, None, None, None, NOW)._replace(**changes)


@st.composite
def rows(draw: st.DrawFn) -> Snapshot:
    """Any open row, at any instant of its life and after it."""
    attempts = draw(st.integers(1, 5))
    timeout, lease, backoff = (draw(st.integers(1, 100_000)) for _ in range(3))
    running = draw(st.booleans())
    attempt = draw(st.integers(1 if running else 0, attempts))
    settles_at = NOW + draw(st.integers(0, 1_000_000))
    return row(
        status=Status.RUNNING if running else Status.PENDING,
        attempt=attempt,
        max_attempts=attempts,
        timeout_ms=timeout,
        lease_ms=lease,
        backoff_ms=backoff,
        settles_at=settles_at,
        deadline_at=draw(st.integers(NOW - 1_000, settles_at)),
        as_of=NOW + draw(st.integers(0, 1_100_000)),
        worker=draw(st.sampled_from(["w", "lost", "unknown"])) if running else None,
    )


WORKERS = [worker(), worker(id="lost", lost_at=NOW)]


@given(rows(), st.sampled_from(Reason), st.booleans())
def test_a_failed_attempt_is_followed_by_another_only_if_that_can_end_in_time(
    task: Snapshot, reason: Reason, retry: bool
) -> None:
    verdict = verdicts.of_attempt(task, reason, "why", retry=retry)
    assert (task.status, verdict.status) in MOVES
    assert (verdict.id, verdict.attempt, verdict.seen) == (task.id, task.attempt, task.status)
    if verdict.status is Status.PENDING:
        assert retry
        assert reason in RETRYABLE
        assert task.attempt < task.max_attempts
        limits = task.max_attempts, task.timeout_ms, task.lease_ms, task.backoff_ms
        assert verdict.due_at == task.as_of + pause_ms(task.attempt, task.backoff_ms)
        assert verdict.due_at < verdict.deadline_at
        assert verdict.deadline_at + reserve_ms(task.attempt, *limits) == task.settles_at
    else:
        assert (verdict.status, verdict.reason, verdict.error_message) == (Status.FAILED, reason, "why")


@given(rows())
def test_an_overdue_row_fails_or_gets_another_attempt_and_always_says_why(task: Snapshot) -> None:
    verdict = verdicts.of_expiry(task, WORKERS)
    assert verdict.expiry
    assert verdict.error_message
    if verdict.status is Status.FAILED:
        expected = Reason.NEVER_STARTED
        if task.status is Status.RUNNING:
            alone = task.settles_at <= task.as_of  # from the bound on the row and the clock alone tell
            expected = Reason.TIMEOUT if alone or task.worker == "w" else Reason.WORKER_LOST
        assert verdict.reason is expected
    else:
        assert verdict.status is Status.PENDING
        assert task.as_of < task.settles_at


@given(rows(), st.integers(0, 10**9))
def test_past_the_bound_the_verdict_does_not_depend_on_when_one_looks(task: Snapshot, later: int) -> None:
    first = verdicts.of_expiry(task._replace(as_of=task.settles_at), WORKERS)
    second = verdicts.of_expiry(task._replace(as_of=task.settles_at + later), WORKERS)
    assert first._replace(row=None) == second._replace(row=None)
    assert first.status is Status.FAILED
    assert verdicts.applied(task, first) == verdicts.applied(task, second)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in RETRYABLE])
def test_what_another_attempt_cannot_mend_ends_the_task(reason: Reason) -> None:
    assert verdicts.of_attempt(row(attempt=1), reason, "why").status is Status.FAILED


@pytest.mark.parametrize("reason", sorted(RETRYABLE))
def test_what_another_attempt_may_mend_is_tried_again_and_remembered(reason: Reason) -> None:
    verdict = verdicts.of_attempt(row(attempt=1), reason, "why", error_type="E", traceback="T")
    assert verdict.status is Status.PENDING
    assert (verdict.error_message, verdict.error_type, verdict.traceback) == (f"{reason}: why", "E", "T")


@pytest.mark.parametrize("name", ["work", "häuser", 'a"b', "C:\\x"])
def test_an_attempt_whose_worker_may_live_unseen_is_followed_by_another_when_it_has_ended_its_process(
    name: str,
) -> None:
    lost = worker(lost_at=NOW - 10, names=json.dumps(["other", name]), processes=json.dumps(["other", name]))
    task = row(attempt=1, name=name)
    over_at = lost.heard_at + lost.lease_ms
    pause = pause_ms(1, row().backoff_ms)
    assert verdicts.of_expiry(task, [lost]).due_at == over_at + pause
    assert verdicts.of_expiry(task, [lost._replace(processes='["other"]')]).due_at == NOW + pause
    assert verdicts.of_expiry(task, [lost._replace(processes=None)]).due_at == NOW + pause
    learned = lost._replace(names="[]", processes="[]")
    assert verdicts.of_expiry(task, [learned]).due_at == over_at + pause  # nobody knows how it runs it
    lost = lost._replace(names='["work"]', processes='["work"]')
    assert verdicts.of_expiry(row(attempt=3), [lost]).status is Status.FAILED  # which waits for nothing
    assert verdicts.of_expiry(row(attempt=1, as_of=over_at + 1), [lost]).due_at == over_at + 1 + pause


def test_the_last_attempt_ends_the_task() -> None:
    assert verdicts.of_attempt(row(attempt=3), Reason.EXCEPTION, "why").status is Status.FAILED


def test_a_task_that_says_so_is_not_tried_again() -> None:
    assert verdicts.of_attempt(row(attempt=1), Reason.EXCEPTION, "why", retry=False).status is Status.FAILED


def test_a_timeout_names_its_limit_and_what_to_do() -> None:
    message = verdicts.of_expiry(row(attempt=3), [worker()]).error_message or ""
    assert "Attempt 3 of 3" in message
    assert "timeout of 10 s" in message
    assert "more time" in message


def test_a_lost_worker_is_named_with_its_last_sign_of_life() -> None:
    message = verdicts.of_expiry(row(attempt=3), [worker(lost_at=NOW)]).error_message or ""
    assert "process 42 on box" in message
    assert "last heard 1 s before" in message


def test_a_worker_that_left_no_row_was_lost_too() -> None:
    verdict = verdicts.of_expiry(row(attempt=3), [])
    assert verdict.reason is Reason.WORKER_LOST
    assert "system log" in (verdict.error_message or "")


@pytest.mark.parametrize(
    ("workers", "why"),
    [
        ([], "no worker is alive; start one"),
        ([worker(lost_at=NOW)], "no worker is alive"),
        ([worker(heard_at=NOW - 5_001)], "no worker is alive"),
        ([worker(names="[]")], "no worker is alive"),
        ([worker(names='["other"]')], "1 worker is alive, but none knows a task function named 'work'; deploy"),
        ([worker(names='["worker"]'), worker(names='["homework"]')], "2 workers are alive, but none knows"),
        ([worker()], "1 worker is alive that can run it, with no place free; start more"),
        ([worker(engine="celery")], "1 worker is alive that can run it (celery), with no place free; start more"),
    ],
)
def test_a_task_that_never_started_says_what_was_missing(workers: list[WorkerRow], why: str) -> None:
    waiting = row(status=Status.PENDING, attempt=0, worker=None)
    assert why in (verdicts.of_expiry(waiting, workers).error_message or "")


def test_a_later_attempt_that_never_started_says_how_the_one_before_ended() -> None:
    waiting = row(status=Status.PENDING, worker=None, previous_error="exception: no route")
    message = verdicts.of_expiry(waiting, []).error_message or ""
    assert "attempt 3 of 3" in message
    assert "Attempt 2 before it ended with exception: no route" in message


def test_what_a_terminal_verdict_leaves_is_known_without_reading() -> None:
    verdict = verdicts.of_attempt(row(attempt=3), Reason.TIMEOUT, "why", error_type="E", traceback="T")
    final = verdicts.final(verdict, NOW + 7)
    assert final is not None
    assert (final.status, final.reason, final.error_message, final.finished_at) == ("failed", "timeout", "why", NOW + 7)
    assert verdicts.final(verdicts.of_attempt(row(attempt=1), Reason.TIMEOUT, "why"), NOW) is None
