"""A person's hand: cancel and retry."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from settled import Task, Tasks
from settled.errors import BadTaskId, KeyConflict, NotAllowed, TaskNotFound
from settled.ids import new_id
from settled.ledger import Ledger
from settled.records import Snapshot
from settled.states import Reason, Status
from tests.core.host import Host, started, submitted
from tests.stores.making import failure, new_task, success


@pytest.mark.parametrize("make", [submitted, started])
def test_an_open_task_can_be_cancelled_by_any_process(host: Host, worker: Ledger, make: object) -> None:
    row = make(worker)  # type: ignore[operator]
    cancelled = host.ledger().cancel(row.id, "No longer wanted.")
    assert (cancelled.status, cancelled.reason, cancelled.error_message) == (
        Status.FAILED,
        Reason.CANCELLED,
        "No longer wanted.",
    )


def test_a_cancelled_task_gets_no_other_attempt(worker: Ledger) -> None:
    row = started(worker)
    assert row.max_attempts == 3
    worker.cancel(row.id)
    assert not worker.settle_now(success(row))
    assert worker.counts() == {
        "pending": 0, "running": 0, "completed": 0, "failed": 1, "cancelled": 1, "refused": 1,
    }  # fmt: skip


def test_a_settled_task_cannot_be_cancelled(worker: Ledger) -> None:
    row = started(worker)
    worker.settle_now(success(row))
    with pytest.raises(NotAllowed, match="already settled as completed"):
        worker.cancel(row.id)
    assert worker.get(row.id).status is Status.COMPLETED


def test_an_overdue_task_settles_by_its_own_reason_first(host: Host, ledger: Ledger) -> None:
    row = submitted(ledger)
    host.advance(20)
    with pytest.raises(NotAllowed):
        ledger.cancel(row.id)
    assert ledger.get(row.id).reason is Reason.NEVER_STARTED


def test_an_unknown_task_cannot_be_cancelled_or_retried(ledger: Ledger) -> None:
    unknown = new_id(ledger.store.now())
    with pytest.raises(TaskNotFound):
        ledger.cancel(unknown)
    with pytest.raises(TaskNotFound):
        ledger.retry(unknown)


def be_stale_once(store: Any, row: Snapshot) -> None:
    """Have the store's next read be older than its next write."""
    read = store.read

    def first(ids: Sequence[str]) -> list[Snapshot]:
        store.read = read
        return [row]

    store.read = first


@pytest.mark.parametrize("moved_on", ["claimed", "completed"])
def test_a_task_that_moves_on_while_it_is_cancelled_is_looked_at_again(
    host: Host, worker: Ledger, moved_on: str
) -> None:
    row = submitted(worker)
    (claimed,) = worker.claim(str(worker.worker), ["work"], 1)
    store = host.store()
    canceller = Ledger(store)
    canceller.open()
    be_stale_once(store, row)
    if moved_on == "completed":
        worker.settle_now(success(claimed))
        with pytest.raises(NotAllowed):
            canceller.cancel(row.id)
        assert worker.get(row.id).status is Status.COMPLETED
    else:
        assert canceller.cancel(row.id).reason is Reason.CANCELLED
    canceller.close()


def test_of_a_cancel_and_a_success_at_once_exactly_one_wins(host: Host, worker: Ledger) -> None:
    canceller = host.ledger()
    for _ in range(30):
        row = started(worker)
        start = threading.Barrier(2)
        won: list[str] = []

        def cancel(row: Snapshot = row, start: threading.Barrier = start, won: list[str] = won) -> None:
            start.wait(timeout=10)
            try:
                canceller.cancel(row.id)
                won.append("cancelled")
            except NotAllowed:
                pass

        thread = threading.Thread(target=cancel)
        thread.start()
        start.wait(timeout=10)
        if worker.settle_now(success(row)):
            won.append("completed")
        thread.join(timeout=10)
        found = worker.get(row.id)
        assert won == [str(found.reason or found.status)]


@pytest.mark.parametrize("end", [success, failure])
def test_a_settled_task_is_tried_again_as_a_new_one(worker: Ledger, end: object) -> None:
    old = started(worker, arguments='{"args":[1],"kwargs":{}}', owner="ann")
    worker.settle_now(end(old))  # type: ignore[operator]
    settled = worker.get(old.id)
    new, created = worker.retry(old.id)
    assert created
    assert new.id != old.id
    assert (new.retry_of, new.status, new.attempt) == (old.id, Status.PENDING, 0)
    same = ("name", "arguments", "owner", "max_attempts", "timeout_ms", "lease_ms", "backoff_ms")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert new.settles_at - new.created_at == old.settles_at - old.created_at
    assert new.deadline_at - new.created_at == 20_000
    assert worker.get(old.id) == settled


def test_a_task_is_retried_once_however_often_asked(host: Host, worker: Ledger) -> None:
    old = started(worker)
    worker.settle_now(failure(old))
    first, _ = worker.retry(old.id)
    again, created = host.ledger().retry(old.id)
    assert (again.id, created) == (first.id, False)


def test_a_retry_can_itself_be_retried(worker: Ledger) -> None:
    old = started(worker)
    worker.settle_now(failure(old))
    second, _ = worker.retry(old.id)
    worker.cancel(second.id)
    third, created = worker.retry(second.id)
    assert created
    assert third.retry_of == second.id


def test_an_open_task_cannot_be_retried(worker: Ledger) -> None:
    for row in (submitted(worker), started(worker)):
        with pytest.raises(NotAllowed, match=r"only a settled one can be tried again\. Cancel it first, or wait"):
            worker.retry(row.id)


def test_a_key_that_is_used_for_another_call_is_a_conflict_and_nothing_is_submitted(ledger: Ledger) -> None:
    first, _ = ledger.add(new_task(key="k", arguments='{"args":[1],"kwargs":{}}'))
    again, created = ledger.add(new_task(key="k", arguments='{"args":[1],"kwargs":{}}'))
    assert (again.id, created) == (first.id, False)
    with pytest.raises(KeyConflict, match=rf"'k' was used for task {first.id} with other arguments\. Nothing"):
        ledger.add(new_task(key="k", arguments='{"args":[2],"kwargs":{}}'))
    assert ledger.counts()["pending"] == 1


NAMES: list[Callable[[Task], object]] = [
    lambda task: task, lambda task: task.snapshot, lambda task: task.id, lambda task: UUID(task.id),
]  # fmt: skip


@pytest.mark.parametrize("named", NAMES, ids=["handle", "snapshot", "text", "uuid"])
def test_a_task_may_be_named_by_its_handle_or_its_id(tmp_path: Path, named: Callable[[Task], Any]) -> None:
    with ExitStack() as until_the_end:
        tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False)
        until_the_end.callback(tasks.stop)
        tasks.task(name="work")(lambda: None)
        task = tasks.submit("work")
        assert tasks.get(named(task)).id == tasks.task_of(named(task)).id == task.id
        assert tasks.cancel(named(task)).id == task.id
        assert tasks.wait(named(task)).reason is Reason.CANCELLED
        assert tasks.retry(named(task)).snapshot.retry_of == task.id


@pytest.mark.parametrize("verb", ["get", "wait", "task_of", "cancel", "retry"])
@pytest.mark.parametrize("nothing", [None, 5, b"x", ["x"], {}])
def test_what_names_no_task_is_refused_as_such(tmp_path: Path, verb: str, nothing: object) -> None:
    with ExitStack() as until_the_end:
        tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False)
        until_the_end.callback(tasks.stop)
        with pytest.raises(BadTaskId, match="is no task id"):
            getattr(tasks, verb)(nothing)


def test_a_hand_on_an_event_loop_does_the_same(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path / 'tasks.db'}", embedded=False)

    async def hands() -> tuple[Snapshot, Task, Task]:
        made = await tasks.acreate("by hand", timeout=5, key="once")
        cancelled = await tasks.acancel(made.id)
        return cancelled, await tasks.aretry(made.id), await tasks.aretry(made.id)

    cancelled, again, same = asyncio.run(hands())
    tasks.stop()
    assert (cancelled.reason, cancelled.timeout_ms, cancelled.key) == (Reason.CANCELLED, 5_000, "once")
    assert again.id == same.id != cancelled.id
    assert again.snapshot.retry_of == cancelled.id
