"""Batches: submitted in one commit or not at all, waited for, cancelled, tried again; a look at one settles it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from settled import BadArguments, BadInput, End, KeyConflict, NotAllowed, Tasks, ledger_batches
from settled.batches import MOST_TASKS
from settled.errors import BadTaskId, LedgerUnavailable, TaskNotFound, TaskPruned
from settled.follower import follower
from settled.ids import new_id
from settled.ledger import Ledger
from settled.policy import Policy
from settled.records import Snapshot
from settled.states import Reason, Status
from tests.core.host import Host
from tests.postgres import ground
from tests.stores.making import failure, new_task, success


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/tasks.db"
        return
    found = ground.take()
    yield found.url
    ground.give_back(found)


@pytest.fixture
def tasks(url: str) -> Iterator[Tasks]:
    made = Tasks(url, embedded=False)

    @made.task(name="add")
    def add(a: int, b: int = 2, *, c: int = 0) -> int:
        return a + b + c

    yield made
    made.stop()


def arguments(rows: Any) -> list[str]:
    return [task.snapshot.arguments for task in rows]


def test_a_tuple_is_positions_a_dict_is_keywords_and_all_else_the_one_argument(tasks: Tasks) -> None:
    batch = tasks.submit_many("add", [(1, 2), {"a": 3, "c": 4}, 5, [6]])
    expected = [
        '{"args":[1,2],"kwargs":{}}', '{"args":[],"kwargs":{"a":3,"c":4}}', '{"args":[5],"kwargs":{}}',
        '{"args":[[6]],"kwargs":{}}',
    ]  # fmt: skip
    assert arguments(batch.tasks) == expected
    assert arguments(tasks.batch(batch.id).tasks) == expected
    assert {task.snapshot.batch for task in batch.tasks} == {batch.id}
    assert batch.snapshot.counts == {"pending": 4, "running": 0, "completed": 0, "failed": 0}


def test_an_item_that_does_not_fit_is_named_and_nothing_is_submitted(tasks: Tasks) -> None:
    items: list[Any] = list(range(100))
    items[37] = (1, 2, 3)
    with pytest.raises(BadArguments, match=r"^items\[37\]: add.* too many positional arguments.*Nothing was submitted"):
        tasks.submit_many("add", items)
    items[37] = {1: 2}
    with pytest.raises(BadArguments, match=r"^items\[37\]: "):
        tasks.submit_many("add", items)
    items[37] = float("nan")
    with pytest.raises(BadArguments, match=r"^items\[37\]: Argument 'a' of add cannot be kept"):
        asyncio.run(tasks.asubmit_many("add", items))
    assert tasks.ledger.counts()["pending"] == 0


@pytest.mark.parametrize("items", [[], "https://example.org", {"a": 1}, 7, range(MOST_TASKS + 1)])
def test_no_items_too_many_or_what_is_no_list_of_items_is_refused(tasks: Tasks, items: Any) -> None:
    with pytest.raises(BadInput, match="Nothing was submitted"):
        tasks.submit_many("add", items)
    assert tasks.ledger.counts()["pending"] == 0


def test_a_batch_is_not_part_of_the_applications_transaction(tasks: Tasks) -> None:
    with pytest.raises(BadInput, match="after your commit"):
        tasks.functions["add"].using(within=object()).submit_many([1])


def test_the_same_key_is_the_same_batch_and_with_other_items_a_conflict(tasks: Tasks) -> None:
    add = tasks.functions["add"].using(key="today", owner="ann")
    batch = add.submit_many([1, 2, 3])
    assert add.submit_many([1, 2, 3]).id == batch.id
    assert asyncio.run(add.asubmit_many([1, 2, 3])).id == batch.id
    for other in ([1, 2], [1, 2, 4], [1, 2, 3, 4]):
        with pytest.raises(KeyConflict):
            add.submit_many(other)
    assert tasks.functions["add"].using(key="today", owner="bob").submit_many([1]).id != batch.id
    tasks.functions["add"].using(key="single").submit(1)
    with pytest.raises(KeyConflict):
        tasks.functions["add"].using(key="single").submit_many([1])
    assert tasks.ledger.counts()["pending"] == 3 + 1 + 1


def test_a_batch_that_was_run_tells_what_became_of_it(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db")

    @tasks.task(name="third")
    def third(number: int) -> int:
        if number % 3 == 0:
            raise ValueError("a third of them")
        return number

    ending = tasks.submit_many("third", range(9)).wait()
    assert ending.end is End.FAILED
    assert str(ending) == "failed: 3 of 9 tasks failed: 3 × exception: a third of them"
    assert ending.snapshot is not None
    assert ending.snapshot.counts == {"pending": 0, "running": 0, "completed": 6, "failed": 3}
    good = tasks.submit_many("third", [1, 2])
    assert str(good.wait()) == "completed: All 2 tasks completed."
    assert [task.snapshot.result for task in good.tasks] == [1, 2]

    async def on_a_loop() -> str:
        return str(await await_batch(tasks))

    async def await_batch(tasks: Tasks) -> Any:
        return await (await tasks.asubmit_many("third", [1, 4, 7]))

    assert asyncio.run(on_a_loop()) == "completed: All 3 tasks completed."
    tasks.stop()


def inserted(ledger: Ledger, number: int = 3, **changes: Any) -> list[Snapshot]:
    batch = new_id(ledger.store.now())
    return ledger.add_batch([new_task(batch=batch, **changes) for _ in range(number)])


def begun(worker: Ledger, rows: list[Snapshot]) -> list[Snapshot]:
    return worker.claim(str(worker.worker), ["work"], len(rows))


def test_whoever_looks_at_a_batch_settles_what_is_overdue_in_it(host: Host, ledger: Ledger) -> None:
    rows = inserted(ledger)
    host.advance(20)
    found = ledger_batches.get(ledger, str(rows[0].batch))
    assert (found.settled, found.failed) == (True, 3)
    assert {row.reason for row in ledger_batches.page(ledger, found.id)} == {Reason.NEVER_STARTED}
    failures = ledger_batches.failures(ledger, found.id)
    assert [(failure.reason, failure.number) for failure in failures] == [(Reason.NEVER_STARTED, 3)]


def test_a_batch_whose_worker_has_died_is_settled_by_a_look(host: Host, ledger: Ledger, worker: Ledger) -> None:
    rows = begun(worker, inserted(ledger, policy=Policy(timeout=10, start_timeout=20, lease=5)))
    host.dead.add(str(worker.worker))
    found = ledger_batches.get(ledger, str(rows[0].batch))
    assert (found.running, found.failed) == (0, 3)


def test_past_its_bound_a_batch_has_settled_even_if_that_cannot_be_written(host: Host, ledger: Ledger) -> None:
    rows = inserted(ledger)
    host.fill_disk()
    host.until(rows[0].settles_at - 1, ledger.store.now())
    found = ledger_batches.get(ledger, str(rows[0].batch))
    assert not found.settled
    host.advance(0.001)
    found = ledger_batches.get(ledger, found.id)
    assert (found.settled, found.failed, found.pending) == (True, 3, 0)
    assert all(row.settled for row in ledger_batches.page(ledger, found.id))


def test_an_unknown_batch_a_pruned_one_and_what_is_no_id_are_told_apart(host: Host) -> None:
    ledger = host.ledger(retention=100.0)
    with pytest.raises(TaskNotFound, match="No batch"):
        ledger_batches.get(ledger, new_id(ledger.store.now()))
    with pytest.raises(TaskPruned):
        ledger_batches.get(ledger, new_id(ledger.store.now() - 101_000))
    with pytest.raises(BadTaskId):
        ledger_batches.get(ledger, "x\0")


def test_to_cancel_a_batch_settles_all_that_is_open_and_nothing_else(ledger: Ledger, worker: Ledger) -> None:
    rows = inserted(ledger, 4)
    first, _ = worker.claim(str(worker.worker), ["work"], 2)
    worker.settle_now(success(first))
    told: list[str] = []
    ledger.cancelled = lambda row: told.append(row.id)
    found = ledger_batches.cancel(ledger, str(rows[0].batch), "Enough.")
    assert (found.completed, found.failed, found.settled) == (1, 3, True)
    assert sorted(told) == sorted(row.id for row in rows if row.id != first.id)
    with pytest.raises(NotAllowed):
        ledger_batches.cancel(ledger, found.id, "Enough.")
    assert ledger.get(first.id).status is Status.COMPLETED


def test_changes_come_once_by_their_cursor_and_again_while_they_are_young(host: Host, worker: Ledger) -> None:
    rows = begun(worker, inserted(worker, 5))
    batch = str(rows[0].batch)
    worker.settle_now(success(rows[0]))
    first = ledger_batches.changes(worker, batch, "0", 10)
    assert [row.id for row in first.rows] == [row.id for row in rows]  # one has settled, four run
    host.advance(10)
    second = ledger_batches.changes(worker, batch, first.cursor, 10)
    assert rows[0].id in [row.id for row in second.rows]  # settled just before the first look: it comes again
    for row in rows[1:]:
        worker.settle_now(failure(row))
    parts = ledger_batches.changes(worker, batch, second.cursor, 3)
    assert parts.more
    rest = ledger_batches.changes(worker, batch, parts.cursor, 3)
    assert not rest.more
    assert sorted(row.id for row in parts.rows + rest.rows) == sorted(row.id for row in rows[1:])
    for nonsense in ("", "x", "1.2.3", "9" * 40):
        assert len(ledger_batches.changes(worker, batch, nonsense, 10).rows) in (0, 5)


def test_to_try_a_batch_again_is_a_new_one_of_those_that_failed_and_always_the_same(tasks: Tasks) -> None:
    tasks.ledger.membership.enlist(["add"])
    batch = tasks.submit_many("add", [1, 2, 3])
    with pytest.raises(NotAllowed, match="has not settled yet"):
        tasks.retry_batch(batch.id)
    first = tasks.ledger.claim(str(tasks.ledger.worker), ["add"], 1)[0]
    tasks.ledger.settle_now(success(first))
    tasks.cancel_batch(batch.id)
    again = tasks.retry_batch(batch.id)
    assert again.id != batch.id
    assert [task.snapshot.retry_of for task in again.tasks] == [task.id for task in tasks.batch(batch.id).tasks[1:]]
    assert arguments(again.tasks) == arguments(batch.tasks[1:])
    assert tasks.retry_batch(batch.id).id == again.id
    assert tasks.batch(batch.id).snapshot.settled
    for row in tasks.ledger.claim(str(tasks.ledger.worker), ["add"], 9):
        tasks.ledger.settle_now(success(row))
    with pytest.raises(NotAllowed, match="nothing to try again"):
        tasks.retry_batch(again.id)


def test_a_wait_for_a_batch_hears_of_the_end_in_another_process(host: Host, ledger: Ledger, worker: Ledger) -> None:
    rows = begun(worker, inserted(worker, 2))
    batch = str(rows[0].batch)
    ear = ledger.bell.listen(batch)
    follow = follower(ledger)
    follow._step()
    ear.forget()
    worker.settle_now(success(rows[0]))
    follow._step()
    ear.wait(0)
    assert ear.has_rung
    ledger.bell.stop(ear)


def test_a_thousand_tasks_are_one_commit(host: Host, ledger: Ledger) -> None:
    before = host.commits
    inserted(ledger, 1_000)
    assert host.commits == before + 1


def test_a_wait_bears_a_database_that_is_away_when_the_failures_are_read(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = tasks.submit_many("add", [1])
    assert tasks.ledger.settle_now(failure(batch.tasks[0].snapshot))
    read, times = ledger_batches.failures, []

    def away_at_first(*asked: Any) -> Any:
        times.append(asked)
        if len(times) == 1:
            raise LedgerUnavailable("The database cannot be reached.")
        return read(*asked)

    monkeypatch.setattr(ledger_batches, "failures", away_at_first)
    ending = batch.wait()
    assert (ending.end, [failed.message for failed in ending.failures]) == (End.FAILED, ["It broke."])
    times.clear()
    assert asyncio.run(tasks.batch(batch.id).await_()).failures == ending.failures
