"""The follower hears what other processes changed."""

from __future__ import annotations

import pytest

from settled.follower import follower
from settled.ledger import Ledger
from settled.stores.base import Progress
from tests.core.host import Host, started, submitted
from tests.stores.making import success
from tests.stores.worlds import write


@pytest.fixture
def step(ledger: Ledger) -> object:
    """One look."""
    return follower(ledger)._step


def rung(ear: object) -> bool:
    """Whether the bell has rung since the last time one asked."""
    heard = ear.has_rung
    ear.forget()  # type: ignore[attr-defined]
    return heard


def test_a_change_by_another_process_is_heard_once(ledger: Ledger, worker: Ledger, step: object) -> None:
    row = started(worker)
    ear = ledger.bell.listen(row.id)
    step()  # type: ignore[operator]
    assert rung(ear)  # it may have changed before it was looked at
    step()  # type: ignore[operator]
    assert not rung(ear)
    write(worker.store, "progress", Progress(row.id, 1, 0.5, "half"))
    step()  # type: ignore[operator]
    assert rung(ear)
    worker.settle_now(success(row))
    step()  # type: ignore[operator]
    assert rung(ear)
    step()  # type: ignore[operator]
    assert not rung(ear)
    ledger.bell.stop(ear)


def test_the_last_word_comes_with_the_ring(ledger: Ledger, worker: Ledger, step: object) -> None:
    row = started(worker)
    ear = ledger.bell.listen(row.id)
    step()  # type: ignore[operator]
    assert ear.news is None, "it goes on"
    worker.settle_now(success(row))
    step()  # type: ignore[operator]
    assert ear.news is not None, "a thousand who wait for it need not read it a thousand times"
    assert (ear.news.id, ear.news.status) == (row.id, "completed")
    assert ear.news == ledger.get(row.id)._replace(as_of=ear.news.as_of)
    ledger.bell.stop(ear)


def test_a_change_of_another_task_is_not(ledger: Ledger, worker: Ledger, step: object) -> None:
    row = submitted(worker)
    ear = ledger.bell.listen(row.id)
    step()  # type: ignore[operator]
    rung(ear)
    worker.settle_now(success(started(worker)))
    step()  # type: ignore[operator]
    assert not rung(ear)
    ledger.bell.stop(ear)


def test_a_task_that_appears_is_heard(ledger: Ledger, worker: Ledger, step: object) -> None:
    row = submitted(worker)
    ear = ledger.bell.listen("0193b1c0-0000-7000-8000-000000000000")
    step()  # type: ignore[operator]
    ear2 = ledger.bell.listen(row.id)
    step()  # type: ignore[operator]
    assert rung(ear2)
    ledger.bell.stop(ear)
    ledger.bell.stop(ear2)


def test_nothing_is_asked_while_nobody_waits(host: Host, ledger: Ledger, step: object) -> None:
    host.unreadable = AssertionError("nobody waits")  # type: ignore[assignment]
    step()  # type: ignore[operator]


def test_a_waiter_that_comes_back_is_followed_anew(ledger: Ledger, worker: Ledger, step: object) -> None:
    row = started(worker)
    ear = ledger.bell.listen(row.id)
    step()  # type: ignore[operator]
    ledger.bell.stop(ear)
    step()  # type: ignore[operator]
    worker.settle_now(success(row))
    ear = ledger.bell.listen(row.id)
    step()  # type: ignore[operator]
    assert rung(ear)
    ledger.bell.stop(ear)
