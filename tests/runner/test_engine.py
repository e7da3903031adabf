"""The embedded engine: bounded, fair, and it picks up and hands back what is left."""

from __future__ import annotations

import asyncio
import gc
import json
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from settled import Context, NotAllowed, Reason, Snapshot, Status, Tasks
from settled.stores.base import Change, Written
from tests.runner import functions
from tests.runner.stage import BOUND, Stage, acomes_true, comes_true, ended


def test_the_context_stands_where_the_function_wants_it(stage: Stage) -> None:
    rows = stage.run_all(functions.first, [("a",), ("a", 2, 3)], attempts=2)
    assert [row.result for row in rows] == [
        ["a", 1, 2, 36, True, False],
        ["a", 2, 3, 1, 2, 36, True, False],
    ]


def test_a_later_attempt_can_mend_it(stage: Stage) -> None:
    row = stage.run(functions.flaky, 3, attempts=3, backoff=0.01, kill_grace=0.01)
    assert (row.status, row.result, row.attempt) == (Status.COMPLETED, 3, 3)
    assert row.previous_error == "exception: attempt 2 did not get through"


def test_when_all_attempts_have_failed_the_last_one_is_told(stage: Stage) -> None:
    row = stage.run(functions.flaky, 9, attempts=2, backoff=0.01, kill_grace=0.01)
    assert (row.status, row.reason, row.attempt) == (Status.FAILED, Reason.EXCEPTION, 2)
    assert row.error_message == "attempt 2 did not get through"


@pytest.mark.parametrize(("retry", "attempt"), [(False, 1), (True, 2)])
def test_what_is_told_to_users_is_not_tried_again_unless_it_says_so(stage: Stage, retry: bool, attempt: int) -> None:
    row = stage.run(functions.public_flaky, retry, attempts=3, backoff=0.01, kill_grace=0.01)
    assert row.attempt == attempt
    assert (row.error_message if attempt == 1 else row.result) == ("Come back later." if attempt == 1 else 2)


def test_what_has_ended_leaves_nothing_to_the_garbage_collector(stage: Stage) -> None:
    async def play(tasks: Tasks) -> set[str]:
        registered = stage.register(tasks, functions.give)
        ended(await (await registered.asubmit("first")))
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(3):
                ended(await (await registered.asubmit("more")))
            gc.collect()
            return {type(found).__qualname__ for found in gc.garbage if type(found).__module__.startswith("settled.")}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    assert stage.act(play) == set()


def test_progress_is_seen_while_it_runs(stage: Stage) -> None:
    tell = functions.atell if stage.isolation == "coroutine" else functions.tell

    async def play(tasks: Tasks) -> Snapshot:
        task = await stage.register(tasks, tell).asubmit(str(stage.folder))
        assert await acomes_true(lambda: task.refresh().progress == 0.5)
        assert task.snapshot.progress_message == "half"
        (stage.folder / "go").touch()
        return ended(await task)

    assert stage.act(play).result == "went"


def test_a_cancelled_task_settles_at_once_and_its_work_is_stopped(stage: Stage) -> None:
    function = functions.astop_when_told if stage.isolation == "coroutine" else functions.stop_when_told

    async def play(tasks: Tasks) -> Snapshot:
        registered = stage.register(tasks, function, attempts=3, kill_grace=10)
        task = await registered.asubmit(str(stage.folder))
        assert await acomes_true(lambda: task.refresh().progress_message == "waiting")
        row = await asyncio.to_thread(tasks.cancel, task.id)
        assert ended(await task)[:-1] == row[:-1]
        assert await acomes_true((stage.folder / "stopped").exists)
        with pytest.raises(NotAllowed):
            tasks.cancel(task.id)
        return tasks.get(task.id)

    row = stage.act(play)
    assert (row.status, row.reason, row.attempt) == (Status.FAILED, Reason.CANCELLED, 1)
    assert (stage.folder / "stopped").read_text() == "cancelled=True"


def test_what_is_cancelled_by_another_process_is_stopped_too(stage: Stage) -> None:
    function = functions.astop_when_told if stage.isolation == "coroutine" else functions.stop_when_told

    async def play(tasks: Tasks) -> None:
        task = await stage.register(tasks, function, kill_grace=10).asubmit(str(stage.folder))
        assert await acomes_true(lambda: task.refresh().progress_message == "waiting")
        other = stage.tasks(embedded=False)
        other.cancel(task.id)
        assert ended(await task).reason is Reason.CANCELLED
        assert await acomes_true((stage.folder / "stopped").exists)
        other.stop()

    stage.act(play)


@pytest.mark.parametrize(("attempts", "status"), [(1, Status.FAILED), (2, Status.PENDING)])
def test_at_shutdown_what_does_not_end_in_time_is_interrupted_or_handed_back(
    stage: Stage, attempts: int, status: Status
) -> None:
    function = functions.astop_when_told if stage.isolation == "coroutine" else functions.stop_when_told

    async def play(tasks: Tasks) -> str:
        registered = stage.register(tasks, function, attempts=attempts, kill_grace=10)
        task = await registered.asubmit(str(stage.folder))
        assert await acomes_true(lambda: task.refresh().progress_message == "waiting")
        return task.id

    begun = time.monotonic()
    task_id = stage.act(play, drain=0.3)
    assert time.monotonic() - begun < functions.LONG / 2
    looking = stage.tasks(embedded=False)
    row = looking.get(task_id)
    assert row.status is status
    if status is Status.FAILED:
        assert row.reason is Reason.INTERRUPTED
        assert "shut down" in (row.error_message or "")
    else:
        assert (row.previous_error or "").startswith("interrupted: ")
    assert looking.ledger.workers() == []
    looking.stop()
    assert comes_true((stage.folder / "stopped").exists)


def test_at_shutdown_what_ends_in_time_completes(stage: Stage) -> None:
    async def play(tasks: Tasks) -> str:
        return (await stage.register(tasks, functions.give).asubmit("just in time")).id

    task_id = stage.act(play, drain=20)
    looking = stage.tasks(embedded=False)
    assert looking.get(task_id).result == "just in time"
    looking.stop()


@pytest.mark.parametrize("verb", ["insert", "claim"])
def test_at_shutdown_what_is_written_as_ours_and_not_yet_told_runs_too(stage: Stage, verb: str) -> None:
    submitting = stage.tasks(embedded=False)
    written, told = threading.Event(), threading.Event()

    async def play(tasks: Tasks) -> str:
        give = stage.register(tasks, functions.give, name="give")
        write = tasks.ledger.store.write

        def tell_late(changes: Sequence[Change]) -> Written:
            found = write(changes)
            if any(change.verb == verb and result for change, result in zip(changes, found.results, strict=True)):
                written.set()
                told.wait(BOUND)
            return found

        tasks.ledger.store.write = tell_late  # type: ignore[method-assign]
        if verb == "insert":
            underway = asyncio.create_task(give.asubmit("just in time"))
            underway.add_done_callback(lambda submit: submit.exception())
        else:
            await asyncio.to_thread(stage.register(submitting, functions.give, name="give").submit, "just in time")
        assert await acomes_true(written.is_set)
        ((task_id,),) = submitting.ledger.store._query("SELECT id FROM task_results")  # type: ignore[attr-defined]
        asyncio.get_running_loop().call_later(0.3, told.set)  # when this engine has begun to stop
        return str(task_id)

    task_id = stage.act(play, drain=20)
    row = submitting.get(task_id)
    assert (row.status, row.result) == (Status.COMPLETED, "just in time")
    submitting.stop()


def test_what_waits_is_picked_up_by_the_next_process(stage: Stage) -> None:
    submitting = stage.tasks(embedded=False)
    give = stage.register(submitting, functions.give, name="give")
    waiting = [give.submit(number) for number in range(5)]
    submitting.stop()

    async def play(tasks: Tasks) -> list[object]:
        stage.register(tasks, functions.give, name="give")
        return [(await tasks.await_(task.id)).result for task in waiting]

    assert stage.act(play) == list(range(5))


def test_what_nobody_knows_after_a_deploy_never_starts_and_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "thread")
    before = stage.tasks(embedded=False)
    removed = stage.register(before, functions.give, name="removed", start_timeout=0.5)

    async def wait() -> Snapshot:
        tasks = stage.tasks()
        stage.register(tasks, functions.give, name="other")
        async with tasks.lifespan():
            assert await acomes_true(lambda: any('"other"' in worker.names for worker in tasks.ledger.workers()))
            task = await asyncio.to_thread(removed.submit)
            return ended(await tasks.await_(task.id))

    row = asyncio.run(wait())
    before.stop()
    assert (row.status, row.reason) == (Status.FAILED, Reason.NEVER_STARTED)
    assert "none knows a task function named 'removed'; deploy the code that has it" in (row.error_message or "")


def test_a_call_that_no_longer_fits_after_a_deploy_fails_with_the_reason(stage: Stage) -> None:
    before = stage.tasks(embedded=False)
    task = stage.register(before, functions.give, name="work").submit(1)
    before.stop()

    async def play(tasks: Tasks) -> Snapshot:
        stage.register(tasks, functions.leave_a_thread, name="work")
        return ended(await tasks.await_(task.id))

    row = stage.act(play)
    assert (row.status, row.reason, row.error_type) == (Status.FAILED, Reason.EXCEPTION, "TypeError")
    assert "leave_a_thread() takes 0 positional arguments but 1 was given" in (row.error_message or "")


@pytest.mark.parametrize("arguments", ["nonsense", "[]", "{}", '{"args":5,"kwargs":{}}'])
def test_a_row_with_arguments_that_are_none_fails_and_harms_nobody(stage: Stage, arguments: str) -> None:
    async def play(tasks: Tasks) -> Snapshot:
        work = stage.register(tasks, functions.give, name="work")
        task_id = (await work.asubmit()).id.replace("-7", "-4")
        with closing(sqlite3.connect(stage.folder / "tasks.db", isolation_level=None)) as plain:
            plain.execute("INSERT INTO task_results (id, name, arguments) VALUES (?, 'work', ?)", (task_id, arguments))
        row = ended(await tasks.await_(task_id))
        assert ended(await (await work.asubmit("well"))).result == "well"
        return row

    row = stage.act(play)
    assert (row.status, row.reason) == (Status.FAILED, Reason.EXCEPTION)
    assert row.error_message


def test_a_row_made_by_hand_under_a_registered_name_is_run(stage: Stage) -> None:
    async def play(tasks: Tasks) -> Snapshot:
        stage.register(tasks, functions.give, name="work")
        with closing(sqlite3.connect(stage.folder / "tasks.db", isolation_level=None)) as plain:
            plain.execute("INSERT INTO task_results (id, status, name) VALUES ('by-hand', 'pending', 'work')")
        return ended(await tasks.await_("by-hand"))

    assert stage.act(play).status is Status.COMPLETED


def test_no_more_run_at_once_than_there_are_places(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "thread")
    running, most, guard, go_on = 0, 0, threading.Lock(), threading.Event()

    def work() -> None:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        go_on.wait(BOUND)
        time.sleep(0.02)
        with guard:
            running -= 1

    go_on.set()
    stage.run_all(work, [()] * 40)
    assert most <= 32
    go_on.clear()

    async def play(tasks: Tasks) -> None:
        nonlocal most
        most = 0
        registered = stage.register(tasks, work)
        submitted = [await registered.asubmit() for _ in range(30)]
        assert await acomes_true(lambda: running == 3)
        go_on.set()
        for task in submitted:
            assert ended(await task).status is Status.COMPLETED

    stage.act(play, threads=3)
    assert most == 3


def test_what_waits_for_a_place_is_not_passed_by_what_comes_later(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "thread")
    order: list[int] = []

    def work(number: int) -> None:
        order.append(number)
        time.sleep(0.02)

    async def play(tasks: Tasks) -> None:
        registered = stage.register(tasks, work)
        tasks.task(functions.ahang)  # another isolation, with all its places free
        hold = stage.register(tasks, functions.tell)
        holding = await hold.asubmit(str(tmp_path))
        waiting = await registered.asubmit(-1)
        for _ in range(3):  # the engine has looked for work meanwhile
            await holding.await_(0.15)
        (tmp_path / "go").touch()
        await holding
        for number in range(30):
            await (await registered.asubmit(number))
        await waiting

    stage.act(play, threads=1)
    assert order[:2] in ([-1, 0], [0, -1])


def test_progress_told_without_pause_from_many_threads_disturbs_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path, "thread")

    def work(ctx: Context) -> None:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            ctx.progress(0.5, "on")

    for row in stage.run_all(work, [()] * 8):
        assert row.status is Status.COMPLETED
    assert caplog.records == []


def test_submits_from_many_threads_at_once_are_all_run(stage: Stage) -> None:
    many = 12 if stage.isolation == "process" else 300

    async def play(tasks: Tasks) -> set[object]:
        give = stage.register(tasks, functions.give)
        submitted = await asyncio.gather(*(asyncio.to_thread(give.submit, number) for number in range(many)))
        return {ended(await task).result for task in submitted}

    assert stage.act(play) == set(range(many))


def test_a_key_runs_a_call_once_however_often_it_is_submitted(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "thread")
    runs: list[int] = []

    def work() -> int:
        runs.append(1)
        return len(runs)

    async def play(tasks: Tasks) -> set[str]:
        keyed = stage.register(tasks, work).using(key="k", owner="ann")
        submitted = await asyncio.gather(*(keyed.asubmit() for _ in range(50)))
        await submitted[0]
        again = await keyed.asubmit()
        assert ended(await again).result == 1
        return {task.id for task in [*submitted, again]}

    assert len(stage.act(play)) == 1
    assert runs == [1]


def test_a_script_without_a_loop_runs_tasks_too(stage: Stage) -> None:
    tasks = stage.tasks()
    good, bad = stage.register(tasks, functions.give, name="good"), stage.register(tasks, functions.fail, name="bad")
    assert good.submit("well").wait(30).result == "well"
    assert bad.submit("plain").wait(30).message == "no such page"
    assert tasks.submit("good", value=1).result(30) == 1
    tasks.stop()
    assert good.submit("again").wait(30).result == "again"
    tasks.stop()


def test_a_script_whose_task_hangs_gets_its_timeout(stage: Stage) -> None:
    tasks = stage.tasks(drain=0.0)
    hang = functions.ahang if stage.isolation == "coroutine" else functions.hang
    how = "await" if stage.isolation == "coroutine" else "sleep"
    ending = stage.register(tasks, hang, timeout=0.5, kill_grace=0.1).submit(how, str(stage.folder)).wait(30)
    assert ending.reason is Reason.TIMEOUT
    tasks.stop()


@pytest.mark.parametrize("how", ["busy"])
def test_a_script_whose_coroutine_holds_the_loop_is_broken_too(tmp_path: Path, how: str) -> None:
    stage = Stage(tmp_path, "coroutine")
    tasks = stage.tasks()
    hang, give = (
        stage.register(tasks, functions.ahang, timeout=0.5),
        stage.register(tasks, functions.give, start_timeout=20),
    )
    assert hang.submit(how, str(tmp_path)).wait(30).reason is Reason.TIMEOUT
    assert give.submit("well").wait(30).result == "well"
    tasks.stop()


@pytest.mark.parametrize(
    ("harm", "result"),
    [
        (functions.stop_the_loop, "stopped"),
        (functions.cancel_everybody, "cancelled"),
        (functions.exit_in_a_task_of_its_own, "stayed"),
    ],
)
def test_a_function_that_harms_the_scripts_loop_harms_nobody_else(
    tmp_path: Path, harm: Callable[[], Awaitable[str]], result: str
) -> None:
    stage = Stage(tmp_path, "coroutine")
    tasks = stage.tasks(concurrency=1)
    culprit = stage.register(tasks, harm)
    give = stage.register(tasks, functions.give)
    hang = stage.register(tasks, functions.ahang, timeout=0.5, kill_grace=0.1)
    assert culprit.submit().wait(20).result == result
    waiting = [give.submit(number) for number in range(3)]  # one has a place, the others have to be picked up
    assert [task.wait(20).result for task in waiting] == [0, 1, 2]
    assert hang.submit("await", str(tmp_path)).wait(20).reason is Reason.TIMEOUT
    assert give.submit("well").wait(20).result == "well"
    tasks.stop()


def test_what_is_being_claimed_while_its_loop_is_harmed_is_run(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "coroutine")
    tasks = stage.tasks(concurrency=3)
    culprit = stage.register(tasks, functions.cancel_the_engine_often)
    give = stage.register(tasks, functions.give, timeout=5)
    harming = culprit.submit()
    waiting = [give.submit(number) for number in range(300)]
    assert [task.wait(20).result for task in waiting] == list(range(300))
    assert harming.wait(20).result == "cancelled"
    tasks.stop()


def test_a_thread_that_is_used_again_forgets_what_a_task_set_in_its_context(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "thread")
    tasks = stage.tasks(threads=1)
    setting = stage.register(tasks, functions.set_a_variable)
    assert [setting.submit(value).wait(20).result for value in "ab"] == ["as it was"] * 2
    tasks.stop()


def test_the_life_of_a_task_takes_two_writes(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "coroutine")

    async def play(tasks: Tasks) -> int:
        give = stage.register(tasks, functions.give)
        commits: list[str] = []
        told = tasks.ledger._writer._committed
        tasks.ledger._writer._committed = lambda verb, *rest: (commits.append(verb), told(verb, *rest))  # type: ignore[assignment]
        await (await give.asubmit(json.dumps({})))
        return sum(verb in ("insert", "settle", "claim") for verb in commits)

    assert stage.act(play) == 2


def test_who_awaits_what_was_just_submitted_need_not_read_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("settled.follower.TICK", 600)  # it might look just as the task has settled

    async def play(tasks: Tasks) -> None:
        give = stage.register(tasks, functions.give, name="give")
        read: list[str] = []
        look = tasks.ledger.store.read
        monkeypatch.setattr(tasks.ledger.store, "read", lambda ids: read.extend(ids) or look(ids))
        ending = await (await give.asubmit(7))
        assert ending.completed
        assert read == []

    stage.act(play)
