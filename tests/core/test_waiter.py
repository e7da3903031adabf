"""The waiter: whatever it sees, it ends, in one of six ways, by the task's own deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settled import Tasks, waiter
from settled.errors import (
    BadInput,
    BadTaskId,
    LedgerTooNew,
    LedgerUnavailable,
    NotSettled,
    TaskFailed,
    TaskNotFound,
    TaskPruned,
)
from settled.ledger import Ledger
from settled.records import Ending, Snapshot
from settled.states import End, Reason, Status
from settled.stores.base import RowRefused
from settled.waiter import GRACE, LOOK, LOOK_AGAIN, PATIENCE, waiting
from tests.core.host import Host, started, submitted
from tests.core.test_verdicts import NOW, row
from tests.stores.making import failure, success

COMPLETED = row(status=Status.COMPLETED, result_data='{"a":1}')
FAILED = row(status=Status.FAILED, reason=Reason.TIMEOUT, error_message="too long")
AWAY = LedgerUnavailable("away")


def open_for(seconds: float) -> Snapshot:
    return row(settles_at=NOW + round(seconds * 1000))


def simulate(
    answers: Callable[[float], object], timeout: float | None = None, most: int = 10_000
) -> tuple[Ending, float, int]:
    """Run the machine on a clock of its own; the ending, when it came, and how often was looked."""
    now, looks = 0.0, 0
    machine = waiting(timeout, lambda: now)
    said = next(machine)
    try:
        for _ in range(most):
            if said is LOOK:
                looks += 1
                said = machine.send(answers(now))  # type: ignore[arg-type]
            else:
                assert said >= 0
                now += said
                said = machine.send(None)
    except StopIteration as stop:
        return stop.value, now, looks
    raise AssertionError(f"still waiting after {now} s and {looks} looks")


def one_by_one(answers: Iterable[object]) -> Callable[[float], object]:
    left = list(answers)
    return lambda now: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize(
    ("seen", "end"),
    [
        (COMPLETED, End.COMPLETED),
        (FAILED, End.FAILED),
        (TaskNotFound("no such"), End.UNKNOWN),
        (TaskPruned("pruned"), End.UNKNOWN),
        (BadTaskId("bad"), End.UNKNOWN),
    ],
)
def test_a_last_word_ends_the_wait_at_once(seen: object, end: End) -> None:
    ending, now, looks = simulate(lambda _: seen)
    assert (ending.end, now, looks) == (end, 0.0, 1)
    assert str(ending)


def test_a_task_that_settles_later_is_waited_for() -> None:
    ending, now, _ = simulate(lambda now: COMPLETED if now >= 100 else open_for(300 - now))
    assert ending.completed
    assert ending.result == {"a": 1}
    assert 100 <= now <= 100 + LOOK_AGAIN


def test_the_wait_looks_right_after_the_bound() -> None:
    ending, now, looks = simulate(lambda now: FAILED if now >= 2 else open_for(2 - now))
    assert ending.end is End.FAILED
    assert 2 <= now < 2.1
    assert looks <= 3


def test_trouble_is_borne_until_the_tasks_bound_and_a_grace() -> None:
    ending, now, looks = simulate(lambda now: open_for(60) if now == 0 else AWAY)
    assert ending.end is End.UNREACHABLE
    assert now == pytest.approx(60 + GRACE, abs=0.1)
    assert looks < 60
    assert "has not answered for 6" in ending.message
    assert "away" in ending.message


def test_nobody_who_ever_answered_is_waited_for_half_a_minute() -> None:
    ending, now, looks = simulate(lambda _: AWAY)
    assert ending.end is End.UNREACHABLE
    assert now == pytest.approx(PATIENCE, abs=0.1)
    assert 10 < looks < 30  # more and more seldom


def test_trouble_that_passes_is_forgotten() -> None:
    answers = one_by_one([open_for(60), AWAY, AWAY, open_for(59), AWAY, COMPLETED])
    ending, now, _ = simulate(answers)
    assert ending.completed
    assert now < 15


@pytest.mark.parametrize("other", [LedgerTooNew("newer"), RowRefused("odd")])
def test_other_trouble_ends_as_unreachable_too(other: Exception) -> None:
    ending, now, _ = simulate(lambda now: open_for(10) if now == 0 else other)
    assert ending.end is End.UNREACHABLE
    assert now <= 10 + GRACE + 0.1


@pytest.mark.parametrize("timeout", [0, 0.5, 7])
def test_who_has_no_time_stops_in_time_and_is_told_that_the_task_goes_on(timeout: float) -> None:
    ending, now, _ = simulate(lambda now: open_for(60 - now), timeout)
    assert ending.end is End.ABORTED
    assert now == pytest.approx(timeout)
    assert f"waited {timeout:g} s" in ending.message


@pytest.mark.parametrize(("seen", "said"), [(AWAY, "nothing is known of the task: away"), (open_for(60), "goes on")])
def test_who_has_no_time_is_told_what_is_known(seen: object, said: str) -> None:
    ending = simulate(lambda _: seen, 1.0)[0]
    assert ending.end is End.ABORTED
    assert said in ending.message


def test_who_has_no_time_gets_a_result_that_is_there() -> None:
    assert simulate(lambda _: COMPLETED, 0)[0].completed


def test_a_ledger_that_never_settles_what_it_should_does_not_keep_the_wait() -> None:
    """It was told at the first answer when the task settles; later answers cannot take that back."""
    ending, now, _ = simulate(lambda _: open_for(10))
    assert ending.end is End.UNREACHABLE
    assert now <= 10 + GRACE + 0.1
    assert "Snapshot(" not in ending.message


SEEN = st.one_of(
    st.floats(0, 1_000).map(open_for), st.just(AWAY), st.just(RowRefused("odd")), st.just(COMPLETED), st.just(FAILED)
)


@given(st.lists(SEEN, min_size=1, max_size=40), st.none() | st.floats(0, 100))
def test_whatever_is_seen_the_wait_ends_in_one_of_six_ways_by_the_first_bound(
    seen: list[object], timeout: float | None
) -> None:
    ending, now, looks = simulate(one_by_one(seen), timeout)
    first = next((answer.settles_in for answer in seen if isinstance(answer, Snapshot)), 0.0)
    assert ending.end in End
    assert now <= max(PATIENCE, PATIENCE + first + GRACE) + 0.1
    if timeout is not None:
        assert now <= timeout + 0.001
    assert looks <= 2 + now / 0.05
    assert (ending.reason is not None) == (ending.end is End.FAILED)
    assert (ending.snapshot is not None) == (ending.end in (End.COMPLETED, End.FAILED))


def test_an_ending_unwraps_to_the_result_or_raises_what_happened() -> None:
    assert Ending(End.COMPLETED, COMPLETED).unwrap() == {"a": 1}
    with pytest.raises(TaskFailed, match="timeout: too long") as failed:
        simulate(lambda _: FAILED)[0].unwrap()
    assert failed.value.reason is Reason.TIMEOUT
    for end in (End.UNKNOWN, End.UNREACHABLE, End.DENIED, End.ABORTED):
        with pytest.raises(NotSettled, match=f"{end}: why") as not_settled:
            Ending(end, None, None, "why").unwrap()
        assert not_settled.value.end is end


# The two drivers, on a ledger.

Driver = Callable[..., Ending]


def on_a_loop(ledger: Ledger, task_id: str, timeout: float | None = None) -> Ending:
    return asyncio.run(waiter.await_(ledger, task_id, timeout))


drivers = pytest.mark.parametrize("wait", [waiter.wait, on_a_loop], ids=["thread", "loop"])


@drivers
def test_a_settled_task_is_not_waited_for(worker: Ledger, wait: Driver) -> None:
    row = started(worker)
    worker.settle_now(success(row))
    assert wait(worker, row.id).result == "done"
    assert worker.bell.watched() == []


@drivers
def test_an_unknown_task_is_not_waited_for(ledger: Ledger, wait: Driver) -> None:
    assert wait(ledger, "nonsense").end is End.UNKNOWN
    assert wait(ledger, "018bcfe5-6800-7000-8000-000000000000").end is End.UNKNOWN
    assert ledger.bell.watched() == []


@drivers
@pytest.mark.parametrize("timeout", ["5", True, float("nan"), timedelta(seconds=5)])
def test_what_is_no_time_to_wait_is_refused(worker: Ledger, wait: Driver, timeout: Any) -> None:
    with pytest.raises(BadInput, match="give seconds as a number"):
        wait(worker, started(worker).id, timeout)
    assert worker.bell.watched() == []


def test_who_would_hold_up_the_loop_that_runs_the_task_is_told_so(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db")

    @tasks.task
    async def work() -> int:
        return 1

    @tasks.task
    async def waits_for_another() -> Any:
        return work.submit().result()

    async def serve() -> None:
        async with tasks.lifespan():
            task = work.submit()
            for wait in (task.wait, task.result, lambda: tasks.wait(task), lambda: work.submit_many([()]).wait()):
                with pytest.raises(BadInput, match="Write `await task`"):
                    wait()
            assert (await task).result == 1
            assert task.wait().result == 1  # which holds up nothing any more
            assert (await asyncio.to_thread(work.submit().wait)).result == 1
            assert "Write `await task`" in (await waits_for_another.submit()).message
        assert work.submit().wait().result == 1  # now the background has a loop of its own

    asyncio.run(serve())
    tasks.stop()


@contextmanager
def soon(call: Callable[..., object], *args: Any) -> Iterator[None]:
    """Call it from another thread when the block has been under way for a moment; both are over at the end."""
    timer = threading.Timer(0.1, call, args)
    timer.start()
    yield
    timer.join(timeout=30)


@drivers
def test_a_task_that_ends_in_this_process_wakes_who_waits(worker: Ledger, wait: Driver) -> None:
    row = started(worker)
    with soon(worker.settle_now, success(row)):
        begun = time.monotonic()
        assert wait(worker, row.id).completed
        assert time.monotonic() - begun < LOOK_AGAIN - 1
    assert worker.bell.watched() == []


@drivers
def test_a_cancelled_task_wakes_who_waits(worker: Ledger, wait: Driver) -> None:
    row = submitted(worker)
    with soon(worker.cancel, row.id):
        assert wait(worker, row.id).reason is Reason.CANCELLED


@drivers
@pytest.mark.parametrize("make", [submitted, started])
def test_who_gives_up_waits_no_longer_than_he_said(
    worker: Ledger, wait: Driver, make: Callable[[Ledger], Snapshot]
) -> None:
    row = make(worker)
    begun = time.monotonic()
    ending = wait(worker, row.id, 0.4)
    assert ending.end is End.ABORTED
    assert 0.4 <= time.monotonic() - begun < LOOK_AGAIN - 1
    assert worker.bell.watched() == []


@drivers
def test_what_another_process_ended_is_not_missed_though_this_one_had_claimed_it(
    host: Host, worker: Ledger, wait: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = started(worker)
    host.ledger().cancel(row.id)
    assert not worker.settle_now(success(row))
    begun = time.monotonic()
    assert wait(worker, row.id).reason is Reason.CANCELLED
    assert time.monotonic() - begun < LOOK_AGAIN - 1
    assert worker.commits.here == {}


def test_a_change_is_told_when_it_comes(worker: Ledger) -> None:
    row = submitted(worker)

    async def watch() -> list[Snapshot]:
        asyncio.get_running_loop().call_later(0.1, worker.claim, str(worker.worker), ["work"], 1)
        claimed = await waiter.changed(worker, row.id, 10)
        asyncio.get_running_loop().call_later(0.1, worker.settle_now, failure(claimed))
        return [claimed, await waiter.changed(worker, row.id, 10), await waiter.changed(worker, row.id, 10)]

    assert [seen.status for seen in asyncio.run(watch())] == [Status.RUNNING, Status.FAILED, Status.FAILED]
    assert worker.bell.watched() == []


def test_no_change_is_told_after_the_time_that_was_asked_for(worker: Ledger) -> None:
    row = submitted(worker)
    begun = time.monotonic()
    assert asyncio.run(waiter.changed(worker, row.id, 0.2)).status is Status.PENDING
    assert 0.2 <= time.monotonic() - begun < LOOK_AGAIN - 1


def test_a_change_since_what_one_knows_is_told_at_once(worker: Ledger) -> None:
    row = submitted(worker)
    worker.claim(str(worker.worker), ["work"], 1)
    assert asyncio.run(waiter.changed(worker, row.id, 10, since=row)).status is Status.RUNNING


def test_a_bell_that_rings_for_nothing_is_borne(worker: Ledger) -> None:
    row = submitted(worker)

    async def watch() -> Snapshot:
        asyncio.get_running_loop().call_later(0.05, worker.bell.ring_all)
        return await waiter.changed(worker, row.id, 0.3)

    begun = time.monotonic()
    assert asyncio.run(watch()).status is Status.PENDING
    assert time.monotonic() - begun >= 0.3


def test_a_process_that_closes_answers_at_once(worker: Ledger) -> None:
    row = submitted(worker)
    closing = threading.Event()

    async def watch() -> Snapshot:
        asyncio.get_running_loop().call_later(0.05, lambda: (closing.set(), worker.bell.ring_all()))
        return await waiter.changed(worker, row.id, 10, closing=closing.is_set)

    begun = time.monotonic()
    asyncio.run(watch())
    assert time.monotonic() - begun < 3
