"""Whoever looks at a task settles it first: with all else dead, a reader still gets a terminal answer on time."""

from __future__ import annotations

import pytest

from settled.errors import BadTaskId, LedgerUnavailable, TaskNotFound, TaskPruned
from settled.ids import new_id
from settled.ledger import Ledger
from settled.policy import Policy
from settled.records import Snapshot
from settled.states import Reason, Status
from tests.core.host import Host, started, submitted
from tests.stores.making import success

ONCE = Policy(timeout=10, start_timeout=20, attempts=1, lease=5)


def ended(row: Snapshot) -> tuple[Status, Reason | None]:
    return row.status, row.reason


def test_a_task_within_its_deadline_is_only_read(host: Host, ledger: Ledger) -> None:
    row = submitted(ledger)
    host.advance(19.999)
    commits = host.commits
    assert not ledger.get(row.id).settled
    assert host.commits == commits


def test_what_nobody_picked_up_in_time_has_never_started(host: Host, ledger: Ledger) -> None:
    row = submitted(ledger)
    host.advance(20)
    found = ledger.get(row.id)
    assert ended(found) == (Status.FAILED, Reason.NEVER_STARTED)
    assert found.finished_at == row.created_at + 20_000
    assert "no worker is alive; start one" in (found.error_message or "")


def test_what_ran_too_long_has_timed_out(host: Host, worker: Ledger) -> None:
    row = started(worker, policy=ONCE)
    reader = host.ledger()
    host.advance(10.249)  # the runner itself has a moment to say so
    assert reader.get(row.id).status is Status.RUNNING
    host.advance(0.001)
    found = reader.get(row.id)
    assert ended(found) == (Status.FAILED, Reason.TIMEOUT)
    assert "10 s" in (found.error_message or "")


def test_what_ran_too_long_is_tried_again_if_attempts_are_left(host: Host, worker: Ledger) -> None:
    row = started(worker)
    reader = host.ledger()
    for attempt, pause in ((1, 1), (2, 2)):
        host.until(worker.get(row.id).deadline_at, worker.store.now())
        found = reader.get(row.id)
        assert (found.status, found.attempt) == (Status.PENDING, attempt)
        assert (found.previous_error or "").startswith("timeout: Attempt")
        assert worker.claim(str(worker.worker), ["work"], 9) == []
        host.advance(pause)
        assert worker.claim(str(worker.worker), ["work"], 9)[0].attempt == attempt + 1
    host.until(worker.get(row.id).deadline_at, worker.store.now())
    assert ended(reader.get(row.id)) == (Status.FAILED, Reason.TIMEOUT)


def test_what_a_dead_process_ran_is_lost_at_once(host: Host, worker: Ledger) -> None:
    row = started(worker, policy=ONCE)
    reader = host.ledger()
    host.dead.add(str(worker.worker))
    found = reader.get(row.id)
    assert ended(found) == (Status.FAILED, Reason.WORKER_LOST)
    assert "was killed, crashed, ran out of memory or froze" in (found.error_message or "")
    assert reader.workers() == []


def test_what_a_dead_process_ran_gets_its_next_attempt_at_once(host: Host, worker: Ledger) -> None:
    row = started(worker)
    host.dead.add(str(worker.worker))
    found = host.ledger().get(row.id)
    assert (found.status, found.attempt) == (Status.PENDING, 1)
    assert (found.previous_error or "").startswith("worker_lost: ")


def test_a_poison_task_that_kills_every_worker_ends_after_its_attempts(host: Host) -> None:
    reader = host.ledger()
    row = submitted(reader)
    runs = 0
    for _ in range(10):
        worker = host.ledger(worker=True)
        host.advance(4)
        runs += len(worker.claim(str(worker.worker), ["work"], 1))
        host.dead.add(str(worker.worker))
        reader.expire()
    assert runs == 3
    assert ended(reader.get(row.id)) == (Status.FAILED, Reason.WORKER_LOST)


def test_a_settled_task_is_read_as_it_is_whatever_becomes_of_its_worker(host: Host, worker: Ledger) -> None:
    row = started(worker)
    worker.settle_now(success(row))
    settled = worker.get(row.id)
    host.dead.add(str(worker.worker))
    host.advance(1_000)
    reader = host.ledger()
    reader.expire()
    assert reader.get(row.id)[:-1] == settled[:-1]


def test_a_reader_that_cannot_write_answers_open_before_the_bound(host: Host, worker: Ledger) -> None:
    row = started(worker)
    reader = host.ledger()
    host.fill_disk()
    host.until(row.settles_at - 1, row.as_of)
    found = reader.get(row.id)
    assert (found.status, found.overdue) == (Status.RUNNING, True)


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("later", [0.0, 1.0, 1_000_000.0])
def test_a_reader_that_cannot_write_answers_failed_from_the_bound_on_and_is_not_contradicted(
    host: Host, worker: Ledger, begun: bool, later: float
) -> None:
    row = started(worker) if begun else submitted(worker)
    reader = host.ledger()
    host.fill_disk()
    host.until(row.settles_at, row.as_of)
    told = reader.get(row.id)
    assert ended(told) == (Status.FAILED, Reason.TIMEOUT if begun else Reason.NEVER_STARTED)
    assert told.error_message
    host.advance(later)
    assert reader.get(row.id)[:-1] == told[:-1]
    host.trouble = None
    assert not worker.settle_now(success(row))
    written = reader.get(row.id)
    assert (written.status, written.reason) == (told.status, told.reason)


def test_a_reader_that_cannot_even_read_says_when_to_come_back(host: Host, ledger: Ledger) -> None:
    row = submitted(ledger)
    host.unreadable = LedgerUnavailable("The disk is gone.")
    with pytest.raises(LedgerUnavailable) as trouble:
        ledger.get(row.id)
    assert 0 < trouble.value.retry_after < 60


def test_a_sweep_settles_all_that_nobody_reads(host: Host, ledger: Ledger) -> None:
    rows = [submitted(ledger) for _ in range(20)]
    host.advance(20)
    assert ledger.expire() == 20
    assert ledger.expire() == 0
    assert {ledger.get(row.id).reason for row in rows} == {Reason.NEVER_STARTED}


def test_opening_a_ledger_settles_what_became_overdue_meanwhile(host: Host, worker: Ledger) -> None:
    rows = [submitted(worker), started(worker, policy=ONCE)]
    host.advance(1_000)
    opened = host.ledger()
    assert {ended(row) for row in opened.store.read([row.id for row in rows])} == {
        (Status.FAILED, Reason.NEVER_STARTED),
        (Status.FAILED, Reason.TIMEOUT),
    }


def test_a_ledger_whose_disk_is_full_opens_and_answers(host: Host, ledger: Ledger) -> None:
    row = submitted(ledger)
    host.advance(1_000)
    host.fill_disk()
    assert host.ledger().get(row.id).settled


def test_an_id_that_was_never_given_out_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(TaskNotFound, match=r"No task has the id .*Check") as missing:
        ledger.get(new_id(ledger.store.now()))
    assert not isinstance(missing.value, TaskPruned)


def test_an_id_of_the_future_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(TaskNotFound) as missing:
        ledger.get(new_id(ledger.store.now() + 10**9))
    assert not isinstance(missing.value, TaskPruned)


@pytest.mark.parametrize("retention", [60.0, 7 * 86_400.0])
def test_an_id_older_than_the_retention_is_pruned(host: Host, retention: float) -> None:
    ledger = host.ledger(retention=retention)
    now = ledger.store.now()
    with pytest.raises(TaskNotFound) as young:
        ledger.get(new_id(now - round(retention * 1000)))
    assert not isinstance(young.value, TaskPruned)
    with pytest.raises(TaskPruned, match=r"older than the .* days .* it settled and was deleted"):
        ledger.get(new_id(now - round(retention * 1000) - 1))


def test_a_task_that_is_older_than_the_retention_and_still_there_is_read(host: Host, worker: Ledger) -> None:
    row = started(worker)
    worker.settle_now(success(row))
    host.advance(8 * 86_400)
    assert host.ledger().get(row.id).result == "done"
    assert worker.prune() == 1
    with pytest.raises(TaskPruned):
        worker.get(row.id)


@pytest.mark.parametrize("text", ["", "x", "\ud800", "\x00", "%", "a" * 100_000, None, 5, b"x", ["x"], {}])
def test_what_is_no_id_is_refused_as_such(ledger: Ledger, text: object) -> None:
    with pytest.raises(BadTaskId, match="is no task id"):
        ledger.get(text)  # type: ignore[arg-type]
