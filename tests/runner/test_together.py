"""Grouped calls: up to ten tasks in one call, each with an outcome of its own; what ends the call ends its ten only."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from settled import BadArguments, BadPolicy, BadTaskFunction, Context, Limit, Reason, Snapshot, Status, Tasks
from tests.runner import functions, grouped
from tests.runner.stage import BOUND, Stage, acomes_true


def register(stage: Stage, tasks: Tasks, **options: Any) -> Any:
    function = grouped.aeach if stage.isolation == "coroutine" else grouped.each
    return stage.register(tasks, function, name="each", **({"batch": 10} | options))


def run(stage: Stage, wishes: list[Any], **options: Any) -> list[Snapshot]:
    """Submit an item for each wish (what to do; its place is its value) in one batch; return the rows at its end."""

    async def play(tasks: Tasks) -> list[Snapshot]:
        each = register(stage, tasks, **options)
        items = [{"do": wish, "value": place, "folder": str(stage.folder)} for place, wish in enumerate(wishes)]
        batch = await each.asubmit_many(items)
        await batch.await_(BOUND)
        good = stage.register(tasks, functions.give, name="good")
        assert (await (await good.asubmit("well")).await_(BOUND)).result == "well"
        return [task.snapshot for task in await asyncio.to_thread(lambda: batch.tasks)]

    rows: list[Snapshot] = stage.act(play)
    return rows


def sizes(folder: Path) -> list[int]:
    return sorted(int(path.read_text("ascii")) for path in folder.glob("call-*"))


def test_each_item_has_an_outcome_of_its_own(stage: Stage) -> None:
    rows = run(stage, ["give", "fail", "nan", "set", "give"])
    assert [row.status for row in rows] == [
        Status.COMPLETED, Status.FAILED, Status.FAILED, Status.COMPLETED, Status.COMPLETED,
    ]  # fmt: skip
    assert [row.result for row in rows] == [0, None, None, [1], 4]
    assert (rows[1].reason, rows[1].error_message, rows[1].error_type) == (Reason.EXCEPTION, "item 1", "ValueError")
    assert rows[2].reason is Reason.RESULT_REJECTED
    assert sizes(stage.folder) == [5]


def test_no_call_gets_more_than_ten_and_each_item_comes_once(stage: Stage) -> None:
    rows = run(stage, ["give"] * 25)
    assert [row.result for row in rows] == list(range(25))
    assert sizes(stage.folder) == [5, 10, 10]


@pytest.mark.parametrize(("wish", "found"), [("short", "a list of 9"), ("none", "a NoneType")])
def test_a_call_that_does_not_return_as_many_gives_no_item_a_result(stage: Stage, wish: str, found: str) -> None:
    rows = run(stage, [wish] + ["give"] * 9)
    assert {row.reason for row in rows} == {Reason.RESULT_REJECTED}
    assert {row.error_message for row in rows} == {
        f"The call was given 10 items and returned {found}. Return a list with one result, or one exception, for each "
        "item, in their order."
    }


def test_a_call_that_raises_fails_its_ten_only(stage: Stage) -> None:
    rows = run(stage, ["give"] * 10 + ["raise"] + ["give"] * 10)
    failed = [row for row in rows if row.status is Status.FAILED]
    assert len(failed) == 10
    assert rows[10] in failed
    assert {(row.reason, row.error_message) for row in failed} == {(Reason.EXCEPTION, "the whole call")}


def test_a_process_that_dies_fails_its_ten_only(processes: Stage) -> None:
    rows = run(processes, ["give"] * 10 + ["exit"] + ["give"] * 10)
    failed = [row for row in rows if row.status is Status.FAILED]
    assert len(failed) == 10
    assert {row.reason for row in failed} == {Reason.WORKER_LOST}
    assert "exited with code 7" in str(failed[0].error_message)


def test_a_call_that_takes_too_long_fails_its_ten_only(stage: Stage) -> None:
    timeout = 10.0 if stage.isolation == "process" else 2.0  # a busy machine takes long to start one
    rows = run(stage, ["give"] * 10 + ["hang"] + ["give"] * 10, timeout=timeout, kill_grace=0.2)
    failed = [row for row in rows if row.status is Status.FAILED]
    assert {row.reason for row in failed} == {Reason.TIMEOUT}
    assert rows[10] in failed
    assert len(failed) == 10
    (stage.folder / "go").touch()


def test_an_item_that_failed_is_tried_again_with_others(stage: Stage) -> None:
    rows = run(stage, ["flaky", "give", "flaky"], attempts=2, backoff=0.05, kill_grace=0.01)
    assert [(row.result, row.attempt) for row in rows] == [(0, 2), (1, 1), (2, 2)]
    assert sizes(stage.folder)[-1] == 3


def test_to_cancel_one_leaves_the_others_and_to_cancel_all_frees_the_place(stage: Stage) -> None:
    async def play(tasks: Tasks) -> None:
        each = register(stage, tasks, kill_grace=0.2)
        items = [{"do": "wait", "value": place, "folder": str(stage.folder)} for place in range(3)]
        batch = await each.asubmit_many(items)
        assert await acomes_true((stage.folder / "waiting").exists)
        one, *others = batch.tasks
        await one.acancel()
        assert await acomes_true(lambda: len(tasks._service.engine._attempts) == 2)  # type: ignore[union-attr]
        (stage.folder / "go").touch()
        assert [(await task.await_(BOUND)).result for task in others] == [1, 2]
        assert tasks.get(one.id).reason is Reason.CANCELLED

        (stage.folder / "go").unlink()
        (stage.folder / "waiting").unlink()
        batch = await each.asubmit_many(items)
        assert await acomes_true((stage.folder / "waiting").exists)
        await batch.acancel()
        good = stage.register(tasks, functions.give, name="good")
        assert (await (await good.asubmit("well")).await_(BOUND)).result == "well"
        (stage.folder / "go").touch()

    stage.act(play, concurrency=1, threads=1, processes=1)


def test_what_waits_for_its_lane_is_not_in_the_call(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db")
    tasks.task(name="each", batch=10, limit=Limit(concurrency=2))(grouped.each)
    batch = tasks.submit_many("each", [{"do": "give", "value": n, "folder": str(tmp_path)} for n in range(6)])
    assert batch.wait().completed
    assert sizes(tmp_path)[-1] <= 2
    tasks.stop()


def test_a_submit_gives_one_item_whatever_it_is(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False)
    each = tasks.task(name="each", batch=10)(grouped.each)
    assert [task.snapshot.arguments for task in each.submit_many([(1, 2), {"a": 1}, "x"]).tasks] == [
        '{"args":[[1,2]],"kwargs":{}}', '{"args":[{"a":1}],"kwargs":{}}', '{"args":["x"],"kwargs":{}}',
    ]  # fmt: skip
    for args, kwargs in (((), {}), ((1, 2), {}), ((), {"items": 1})):
        with pytest.raises(BadArguments, match="submit gives one of them"):
            each.submit(*args, **kwargs)
    tasks.stop()


def test_a_function_that_cannot_be_grouped_is_refused(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db")
    with pytest.raises(BadTaskFunction, match="no Context of one of them"):
        tasks.task(batch=10)(with_context)
    with pytest.raises(BadTaskFunction, match="must take one argument"):
        tasks.task(batch=10)(no_items)
    for wrong in (0, -1, 1.5, 1_001, True):
        with pytest.raises(BadPolicy, match="batch="):
            tasks.task(batch=wrong)(grouped.each)  # type: ignore[arg-type]
    with pytest.raises(BadPolicy, match="batch_wait="):
        tasks.task(batch=10, batch_wait=61)(grouped.each)


def with_context(context: Context, items: list[int]) -> list[int]:
    return items


def no_items() -> list[int]:
    return []
