"""A process has one worker's row, however many of its threads find at once that it has none."""

from __future__ import annotations

from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Thread

import pytest

from settled.errors import LedgerUnavailable
from settled.ledger import Ledger
from tests.core.host import Host

TOGETHER = 0.3
"""Seconds that one who enlists waits for a second one, who must not come."""


def beat_twice_at_once(ledger: Ledger) -> None:
    """As a worker's heartbeat and a thread that is to carry a task do when the database is back."""
    both = Barrier(2)

    def hold(worker: str) -> None:
        with suppress(BrokenBarrierError):
            both.wait(TOGETHER)

    ledger.store.hold = hold  # type: ignore[method-assign]
    threads = [Thread(target=ledger.membership.beat) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_threads_that_find_no_worker_enlist_one(host: Host) -> None:
    ledger = host.ledger()
    host.fill_disk()
    with pytest.raises(LedgerUnavailable):
        ledger.membership.enlist(["work"])
    host.trouble = None
    beat_twice_at_once(ledger)
    assert [row.id for row in ledger.workers()] == [ledger.worker]


def test_two_threads_that_find_their_worker_lost_enlist_one(host: Host) -> None:
    ledger, other = host.ledger(worker=True), host.ledger(worker=True)
    host.dead.add(str(ledger.worker))  # as if its lock had been dropped by mistake
    other.expire()
    assert [row.id for row in other.workers()] == [other.worker]
    beat_twice_at_once(ledger)
    assert {row.id for row in other.workers()} == {ledger.worker, other.worker}
