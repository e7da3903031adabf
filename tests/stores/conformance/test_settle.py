"""settle: one door to a terminal status, fenced by id, attempt, status and the bound; who comes late is counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from settled.records import Snapshot, Verdict
from settled.states import Reason, Status
from settled.stores.base import Progress, Store
from tests.stores.making import failure, put_back, success
from tests.stores.worlds import World, write

Make = Callable[..., Snapshot]


def stands(store: Store, row: Snapshot) -> Snapshot:
    return store.read([row.id])[0]


def test_a_success_is_written_with_its_result(world: World, store: Store, running: Make) -> None:
    row = running()
    world.advance(3)
    assert write(store, "settle", success(row, '{"a":[1]}')) == [True]
    found = stands(store, row)
    assert (found.status, found.result, found.finished_at) == (Status.COMPLETED, {"a": [1]}, row.created_at + 3_000)
    assert (found.reason, found.error_message, found.worker) == (None, None, "alive")


def test_a_result_with_a_nul_is_kept_as_it_is(store: Store, running: Make) -> None:
    row = running()
    assert write(store, "settle", success(row, r'{"a\u0000":"b\u0000c"}')) == [True]
    assert stands(store, row).result_data == r'{"a\u0000":"b\u0000c"}'


@pytest.mark.parametrize("reason", Reason)
def test_a_failure_is_written_with_each_reason(store: Store, running: Make, reason: Reason) -> None:
    row = running()
    assert write(store, "settle", failure(row, reason, "Why.", error_type="E", traceback="T")) == [True]
    found = stands(store, row)
    assert (found.status, found.reason, found.error_message) == (Status.FAILED, reason, "Why.")
    assert (found.error_type, found.traceback, found.result_data) == ("E", "T", None)


def test_a_pending_task_can_be_failed(store: Store, pending: Make) -> None:
    row = pending()
    assert write(store, "settle", failure(row, Reason.CANCELLED)) == [True]
    assert stands(store, row).status is Status.FAILED


def test_a_put_back_task_waits_for_its_next_attempt(store: Store, running: Make) -> None:
    row = running()
    write(store, "progress", Progress(row.id, 1, 0.5, "half"))
    assert write(store, "settle", put_back(row, row.as_of + 1_000, row.as_of + 9_000)) == [True]
    found = stands(store, row)
    assert (found.status, found.attempt, found.worker) == (Status.PENDING, 1, None)
    assert (found.due_at, found.deadline_at) == (row.as_of + 1_000, row.as_of + 9_000)
    assert (found.previous_error, found.error_message) == ("exception: It broke.", None)
    assert (found.progress, found.progress_message, found.finished_at) == (None, None, None)


@pytest.mark.parametrize("verdict", [success, failure])
@pytest.mark.parametrize("attempt", [0, 2, 99])
def test_only_the_present_attempt_counts(
    store: Store, running: Make, verdict: Callable[[Snapshot], Verdict], attempt: int
) -> None:
    row = running()
    assert write(store, "settle", verdict(row)._replace(attempt=attempt)) == [False]
    assert stands(store, row).status is Status.RUNNING
    assert store.pulse().refused == 1


@pytest.mark.parametrize("verdict", [success, failure])
def test_a_late_attempt_cannot_settle_its_successor(
    store: Store, running: Make, verdict: Callable[[Snapshot], Verdict]
) -> None:
    row = running()
    write(store, "settle", put_back(row, row.as_of, row.as_of + 9_000))
    assert write(store, "settle", verdict(row)) == [False]
    assert stands(store, row).status is Status.PENDING


def test_a_verdict_on_a_pending_task_does_not_hit_the_attempt_that_began_since(store: Store, running: Make) -> None:
    row = running()
    formed_on_pending = failure(row._replace(status=Status.PENDING), Reason.NEVER_STARTED)
    assert write(store, "settle", formed_on_pending) == [False]
    assert stands(store, row).status is Status.RUNNING


@pytest.mark.parametrize("second", [success, failure, lambda row: put_back(row, row.as_of, row.as_of)])
@pytest.mark.parametrize("first", [success, failure])
def test_the_first_terminal_write_wins_even_within_one_instant(
    store: Store, running: Make, first: Callable[[Snapshot], Verdict], second: Callable[[Snapshot], Verdict]
) -> None:
    row = running()
    assert write(store, "settle", first(row)) == [True]
    settled = stands(store, row)
    assert write(store, "settle", second(row)) == [False]
    assert stands(store, row) == settled
    assert store.pulse().refused == 1


@pytest.mark.parametrize("second", [success, failure])
@pytest.mark.parametrize("first", [success, failure])
def test_of_two_verdicts_in_one_batch_the_first_wins(
    store: Store, running: Make, first: Callable[[Snapshot], Verdict], second: Callable[[Snapshot], Verdict]
) -> None:
    row = running()
    one, two = first(row)._replace(traceback="one"), second(row)._replace(traceback="two")
    assert write(store, "settle", one, two) == [True, False]
    assert stands(store, row).status is one.status
    assert stands(store, row).traceback in ("one", None)
    assert store.pulse().refused == 1


def test_a_task_is_put_back_once(store: Store, running: Make) -> None:
    row = running()
    back = put_back(row, row.as_of, row.as_of + 9_000)
    assert write(store, "settle", back, back._replace(due_at=row.as_of + 1)) == [True, False]
    assert write(store, "settle", back) == [False]
    assert store.pulse().refused == 2


def test_each_row_of_a_mixed_batch_is_judged_for_itself(store: Store, running: Make) -> None:
    rows = [running() for _ in range(6)]
    write(store, "settle", success(rows[4], '"earlier"'))
    batch = [
        success(rows[0]),
        success(rows[1])._replace(attempt=2),
        failure(rows[2]),
        put_back(rows[3], rows[3].as_of, rows[3].as_of + 9_000),
        success(rows[4], '"later"'),
        failure(rows[5])._replace(id="unknown"),
    ]
    assert write(store, "settle", *batch) == [True, False, True, True, False, False]
    assert [stands(store, row).status for row in rows] == [
        "completed",
        "running",
        "failed",
        "pending",
        "completed",
        "running",
    ]
    assert stands(store, rows[4]).result == "earlier"
    assert store.pulse().refused == 3


def test_a_batch_of_thousands_is_written_whole(store: Store, running: Make) -> None:
    rows = [running() for _ in range(30)]
    many = [success(rows[number % 30])._replace(attempt=1 + number // 30) for number in range(3_000)]
    assert write(store, "settle", *many) == [True] * 30 + [False] * 2_970
    assert store.counts() == {("completed", None): 30}
    assert store.pulse().refused == 2_970


def test_a_success_counts_until_the_instant_before_the_bound(world: World, store: Store, running: Make) -> None:
    row = running()
    world.advance((row.settles_at - row.as_of - 1) / 1000)
    assert write(store, "settle", success(row)) == [True]


@pytest.mark.parametrize("late_by_ms", [0, 1, 1_000_000])
@pytest.mark.parametrize("verdict", [success, failure, lambda row: put_back(row, row.as_of, row.as_of)])
def test_from_the_bound_on_only_the_verdict_of_expiry_counts(
    world: World, store: Store, running: Make, verdict: Callable[[Snapshot], Verdict], late_by_ms: int
) -> None:
    row = running()
    world.advance((row.settles_at - row.as_of + late_by_ms) / 1000)
    assert write(store, "settle", verdict(row)) == [False]
    assert store.pulse().refused == 1
    assert write(store, "settle", failure(row, Reason.TIMEOUT, expiry=True)) == [True]
    assert stands(store, row).reason is Reason.TIMEOUT


def test_past_the_bound_there_is_no_other_attempt(world: World, store: Store, running: Make) -> None:
    row = running()
    world.advance((row.settles_at - row.as_of) / 1000)
    assert write(store, "settle", put_back(row, row.as_of, row.as_of)._replace(expiry=True)) == [False]


def test_an_expiry_that_came_late_is_no_late_write(store: Store, running: Make) -> None:
    row = running()
    write(store, "settle", success(row))
    assert write(store, "settle", failure(row, expiry=True)) == [False]
    assert store.pulse().refused == 0


def test_a_result_or_message_of_any_text_comes_back_as_it_was(store: Store, running: Make) -> None:
    one, two = running(), running()
    text = "\N{SNOWMAN} ' \" \\ %s ? :x $1 {rows}\r\n"
    write(store, "settle", success(one, '"\\u0000"'), failure(two, message=text))
    assert (stands(store, one).result, stands(store, two).error_message) == ("\0", text)


def test_progress_is_kept_for_the_running_attempt_alone(store: Store, running: Make) -> None:
    row, other = running(), running()
    write(store, "settle", success(other))
    steps = [
        Progress(row.id, 1, 0.25, "a quarter"),
        Progress(row.id, 2, 0.9, "late"),
        Progress(other.id, 1, 0.1, "late"),
    ]
    assert len(write(store, "progress", *steps)) == 3
    assert (stands(store, row).progress, stands(store, row).progress_message) == (0.25, "a quarter")
    assert (stands(store, other).progress, stands(store, other).progress_message) == (None, None)
    write(store, "progress", Progress(row.id, 1, None, "who knows"))
    assert (stands(store, row).progress, stands(store, row).progress_message) == (None, "who knows")
