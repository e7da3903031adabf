"""Leases: a silent worker is lost only if others were heard meanwhile; and it loses nothing that it has settled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from settled.errors import LedgerUnavailable
from settled.heartbeat import heartbeat
from settled.ledger import Ledger
from settled.policy import Policy
from settled.records import Snapshot
from settled.states import Reason, Status
from settled.stores.base import Change, RowRefused, Written
from tests.core.host import Host, HostStore, started, submitted
from tests.stores.making import success

LONG = Policy(timeout=600, start_timeout=20, attempts=1, lease=5)
LEASE = 5.0


def let_beat(host: Host, *ledgers: Ledger, seconds: float) -> None:
    """Time passes in which these processes beat, and others do not."""
    for _ in range(round(seconds * 2)):
        host.advance(0.5)
        for ledger in ledgers:
            ledger.membership.beat()
            ledger.expire()


@pytest.fixture
def other(host: Host) -> Ledger:
    """A second worker, on whose heartbeat one can rely."""
    ledger = host.ledger(worker=True)
    ledger.membership.beat()
    return ledger


def test_a_worker_that_is_silent_for_a_lease_while_others_are_heard_is_lost(
    host: Host, worker: Ledger, other: Ledger
) -> None:
    row = started(worker, policy=LONG)
    let_beat(host, other, seconds=LEASE)
    assert other.get(row.id).status is Status.RUNNING
    let_beat(host, other, seconds=1)
    found = other.get(row.id)
    assert (found.status, found.reason) == (Status.FAILED, Reason.WORKER_LOST)
    assert [alive.id for alive in other.workers()] == [other.worker]


def test_a_worker_that_beats_is_not_lost(host: Host, worker: Ledger, other: Ledger) -> None:
    row = started(worker, policy=LONG)
    let_beat(host, worker, other, seconds=60)
    assert other.get(row.id).status is Status.RUNNING


def test_no_process_takes_itself_for_lost(host: Host, worker: Ledger) -> None:
    row = started(worker, policy=LONG)
    host.advance(100)
    host.dead.add(str(worker.worker))  # as if its lock had been dropped by mistake
    worker.expire()
    assert worker.get(row.id).status is Status.RUNNING


def test_after_the_ledger_was_away_nobody_is_lost(host: Host, worker: Ledger, other: Ledger) -> None:
    rows = [started(worker, policy=LONG), started(other, policy=LONG)]
    let_beat(host, worker, other, seconds=20)
    host.fill_disk()
    host.advance(60)
    host.trouble = None
    reader = host.ledger()
    assert reader.expire() == 0
    other.membership.beat()  # one happens to come back first
    other.expire()
    host.advance(0.5)
    assert worker.membership.beat()
    let_beat(host, worker, other, seconds=20)
    assert {reader.get(row.id).status for row in rows} == {Status.RUNNING}


def test_nobody_is_lost_for_outages_between_which_another_was_heard(host: Host, worker: Ledger, other: Ledger) -> None:
    """Each is shorter than half a lease, and the other's heartbeats happen to fall between them."""
    row = started(worker, policy=LONG)
    let_beat(host, worker, other, seconds=10)
    for _ in range(2):
        host.advance(1)
        host.fill_disk()
        with pytest.raises(LedgerUnavailable):
            worker.membership.beat()
        host.advance(1)
        host.trouble = None
        other.membership.beat()
        other.expire()
    host.unreadable = LedgerUnavailable("away")
    with pytest.raises(LedgerUnavailable):
        other.expire()
    host.advance(LEASE - 4 + 0.5)
    host.unreadable = None
    assert other.expire() == 0
    assert worker.membership.beat()
    let_beat(host, worker, other, seconds=20)
    assert other.get(row.id).status is Status.RUNNING


def test_nobody_is_lost_by_a_worker_whose_own_heartbeat_took_long(
    host: Host, worker: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came through at last, as behind a commit that kept everybody out; another's was given up meanwhile."""
    row = started(worker, policy=LONG)
    let_beat(host, other, seconds=LEASE - 1)
    write = other.store.write

    def slow(changes: Sequence[Change]) -> Written:
        threading.Event().wait(0.1)
        return write(changes)

    with monkeypatch.context() as patch:
        patch.setattr("settled.membership.READ_PATIENCE", 0.05)
        patch.setattr(other.store, "write", slow)
        assert other.membership.beat()
    host.advance(1.5)
    assert other.expire() == 0
    assert worker.membership.beat()
    let_beat(host, worker, other, seconds=20)
    assert other.get(row.id).status is Status.RUNNING


def test_a_worker_that_stays_silent_after_such_outages_is_lost_then(host: Host, worker: Ledger, other: Ledger) -> None:
    row = started(worker, policy=LONG)
    let_beat(host, other, seconds=LEASE - 1)
    host.fill_disk()
    with pytest.raises(LedgerUnavailable):
        other.membership.beat()
    host.trouble = None
    let_beat(host, other, seconds=LEASE / 2)
    assert other.get(row.id).status is Status.RUNNING
    let_beat(host, other, seconds=1)
    assert other.get(row.id).reason is Reason.WORKER_LOST


def test_a_worker_that_stays_silent_after_the_ledger_came_back_is_lost_then(
    host: Host, worker: Ledger, other: Ledger
) -> None:
    row = started(worker, policy=LONG)
    let_beat(host, other, worker, seconds=20)
    host.advance(60)
    let_beat(host, other, seconds=LEASE - 1)
    assert other.get(row.id).status is Status.RUNNING
    let_beat(host, other, seconds=2)
    assert other.get(row.id).reason is Reason.WORKER_LOST


def test_a_worker_alone_is_not_judged_by_its_silence_but_its_task_ends_by_its_deadline(
    host: Host, worker: Ledger
) -> None:
    row = started(worker, policy=LONG)
    reader = host.ledger()
    host.advance(599)
    reader.expire()
    assert reader.get(row.id).status is Status.RUNNING
    host.advance(1.25)
    assert reader.get(row.id).reason is Reason.TIMEOUT


def test_a_worker_that_thaws_after_it_was_lost_settles_nothing_and_begins_anew(
    host: Host, worker: Ledger, other: Ledger
) -> None:
    row = started(worker, policy=LONG)
    before = worker.worker
    let_beat(host, other, seconds=LEASE + 1)
    lost = other.get(row.id)
    assert not worker.settle_now(success(row))  # nothing flips
    assert other.get(row.id) == lost
    assert worker.membership.beat() is False
    assert worker.worker not in (before, None)
    assert worker.membership.beat() is True
    assert len(other.workers()) == 2
    assert other.counts()["refused"] == 1


def test_a_worker_that_thaws_gets_no_work_before_it_has_begun_anew(host: Host, worker: Ledger, other: Ledger) -> None:
    waiting = submitted(other)
    let_beat(host, other, seconds=LEASE + 1)
    assert worker.claim(str(worker.worker), ["work"], 9) == []
    assert started(worker).status is Status.PENDING
    worker.membership.beat()
    assert waiting.id in {row.id for row in worker.claim(str(worker.worker), ["work"], 9)}


def test_a_frozen_workers_success_counts_if_it_was_not_given_up_on(host: Host, worker: Ledger, other: Ledger) -> None:
    row = started(worker, policy=LONG)
    let_beat(host, other, seconds=LEASE)
    assert worker.settle_now(success(row))


def test_a_dead_worker_is_noticed_before_its_lease(host: Host, worker: Ledger, other: Ledger) -> None:
    row = started(worker, policy=LONG)
    host.dead.add(str(worker.worker))
    other.expire()
    assert other.get(row.id).reason is Reason.WORKER_LOST


def test_a_dead_worker_with_thousands_of_tasks_is_cleared_in_a_few_sweeps(host: Host, worker: Ledger) -> None:
    from tests.stores.making import new_task
    from tests.stores.worlds import write

    write(worker.store, "insert", *[new_task(worker=worker.worker, policy=LONG) for _ in range(1_200)])
    host.dead.add(str(worker.worker))
    reader = host.ledger()
    sweeps = 0
    while reader.expire():
        sweeps += 1
    assert sweeps <= 3
    assert reader.counts()["worker_lost"] == 1_200
    assert reader.workers() == []


def test_a_worker_that_leaves_in_order_leaves_no_row(worker: Ledger) -> None:
    worker.membership.dismiss()
    assert worker.workers() == []
    assert worker.worker is None
    worker.membership.dismiss()


def test_what_a_leaving_worker_still_runs_is_lost(host: Host, worker: Ledger) -> None:
    row = started(worker, policy=LONG)
    worker.membership.dismiss()
    reader = host.ledger()
    reader.expire()
    assert reader.get(row.id).reason is Reason.WORKER_LOST
    assert reader.workers() == []


def test_a_process_that_is_no_worker_has_nothing_to_beat(ledger: Ledger) -> None:
    assert ledger.membership.beat() is True
    assert ledger.workers() == []


class Refusing(HostStore):
    """Counts the locks that are held, and refuses to enlist."""

    refused: Exception = RowRefused("no")
    held: set[str]

    def hold(self, worker: str) -> None:
        self.held.add(worker)

    def release(self, worker: str) -> None:
        self.held.discard(worker)

    def write(self, changes: Sequence[Change]) -> Written:
        if any(change.verb == "enlist" for change in changes):
            raise self.refused
        return super().write(changes)


@pytest.mark.parametrize("trouble", [RowRefused("no"), LedgerUnavailable("away")])
def test_a_worker_that_cannot_enlist_leaves_no_lock_behind(
    host: Host, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    monkeypatch.setattr("settled.ledger.SUBMIT_PATIENCE", 0.0)
    store = Refusing(host)
    store.held, store.refused = set(), trouble
    ledger = Ledger(store)
    ledger.open()
    with pytest.raises(type(trouble)):
        ledger.membership.enlist(["work"])
    assert store.held == set()
    assert ledger.worker is None
    ledger.close()


def test_a_row_that_no_worker_answers_for_is_found_by_a_thorough_sweep(host: Host, worker: Ledger) -> None:
    row = started(worker, policy=LONG)
    reader = host.ledger()
    host.sql("DELETE FROM task_workers")
    assert reader.expire() == 0
    assert reader.expire(thoroughly=True) == 1
    assert reader.get(row.id).reason is Reason.WORKER_LOST


Check = Callable[[Snapshot], bool]


@pytest.mark.parametrize(("lease", "seconds"), [(0.6, 0.1), (30.0, 1.0)])
def test_a_heartbeat_that_failed_is_repeated_well_within_the_lease(
    worker: Ledger, monkeypatch: pytest.MonkeyPatch, lease: float, seconds: float
) -> None:
    monkeypatch.setattr(worker.membership, "lease", lease)
    waits: list[float] = []

    class Wake(threading.Event):
        """Waits for nothing, and ends what waits on it."""

        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            beats._stopped = True
            return True

    def away() -> bool:
        raise LedgerUnavailable("away")

    monkeypatch.setattr(worker.membership, "beat", away)
    beats = heartbeat(worker)
    beats._wake = Wake()
    beats._run()
    assert waits == [pytest.approx(seconds)]
