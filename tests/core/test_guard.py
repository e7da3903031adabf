"""The safe runner for any block, call or awaitable: whatever happens in it, its task settles."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from settled import BadInput, BadTaskId, NotAllowed, PublicError, Reason, Status, Task, TaskNotFound, Tasks
from settled.ids import new_id
from settled.states import End

SOON = 20.0


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Tasks]:
    made = Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False, max_result_bytes=1_000)
    yield made
    made.stop()


@pytest.fixture
def task(tasks: Tasks) -> Task:
    return tasks.create("import", timeout=30, owner="ann")


def fails(error: BaseException) -> None:
    raise error


async def afails(error: BaseException) -> None:
    raise error


def test_a_created_task_waits_for_its_block(tasks: Tasks, task: Task) -> None:
    row = tasks.get(task.id)
    assert (row.status, row.name, row.max_attempts, row.owner) == (Status.PENDING, "import", 1, "ann")
    assert row.settles_at - row.created_at == (600 + 30 + 30) * 1000


def test_a_block_that_ends_well_completes_its_task(tasks: Tasks, task: Task) -> None:
    with tasks.settling(task) as attempt:
        assert tasks.get(task.id).status is Status.RUNNING
        attempt.result = {"rows": 5}
    row = tasks.get(task.id)
    assert (row.status, row.result) == (Status.COMPLETED, {"rows": 5})


def test_a_block_without_a_result_completes_too(tasks: Tasks, task: Task) -> None:
    with tasks.settling(task.id):
        pass
    assert (tasks.get(task.id).status, tasks.get(task.id).result) == (Status.COMPLETED, None)


ERRORS: list[BaseException] = [
    ValueError("no such page"),
    SystemExit(3),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    GeneratorExit(),
    MemoryError(),
    RecursionError("too deep"),
    BaseExceptionGroup("several", [ValueError("a"), KeyboardInterrupt()]),
    TimeoutError("upstream"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_what_a_block_raises_settles_the_task_and_goes_on_its_way(
    tasks: Tasks, task: Task, error: BaseException
) -> None:
    with pytest.raises(type(error)) as raised, tasks.settling(task):
        raise error
    assert raised.value is error
    if isinstance(error, GeneratorExit):  # which does not wait for the write
        tasks.wait(task, SOON)
    row = tasks.get(task.id)
    assert (row.status, row.reason, row.error_type) == (Status.FAILED, Reason.EXCEPTION, type(error).__name__)
    assert row.error_message


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_what_an_async_block_raises_settles_the_task_and_goes_on_its_way(
    tasks: Tasks, task: Task, error: BaseException
) -> None:
    async def block() -> None:
        with pytest.raises(type(error)) as raised:  # within, since some of them would stop the loop
            async with tasks.settling(task):
                raise error
        assert raised.value is error

    asyncio.run(block())
    if isinstance(error, GeneratorExit):
        tasks.wait(task, SOON)
    row = tasks.get(task.id)
    assert (row.status, row.reason, row.error_type) == (Status.FAILED, Reason.EXCEPTION, type(error).__name__)


def test_a_block_that_is_collected_by_the_thread_that_writes_does_not_wait_for_it(tasks: Tasks, task: Task) -> None:
    def work() -> Iterator[None]:
        with tasks.settling(task):
            yield

    left = [work()]
    next(left[0])
    write = tasks.ledger.store.write

    def collecting(changes: Any) -> Any:
        left.clear()
        return write(changes)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tasks.ledger.store, "write", collecting)
        begun = time.monotonic()
        tasks.create("another")
        assert time.monotonic() - begun < SOON / 2
    assert tasks.wait(task, SOON).reason is Reason.EXCEPTION


def test_a_result_that_cannot_be_stored_is_rejected(tasks: Tasks, task: Task) -> None:
    with tasks.settling(task) as attempt:
        attempt.result = object()
    row = tasks.get(task.id)
    assert (row.status, row.reason) == (Status.FAILED, Reason.RESULT_REJECTED)


def test_an_async_block_is_cancelled_at_its_timeout(tasks: Tasks) -> None:
    task = tasks.create("import", timeout=0.3)

    async def block() -> None:
        async with tasks.settling(task):
            await asyncio.sleep(30)

    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(block())
    assert time.monotonic() - begun < SOON / 2
    row = tasks.get(task.id)
    assert (row.status, row.reason) == (Status.FAILED, Reason.TIMEOUT)
    assert "0.3 s" in (row.error_message or "")


def test_an_async_block_that_is_cancelled_settles(tasks: Tasks, task: Task) -> None:
    async def block(entered: asyncio.Event) -> None:
        async with tasks.settling(task):
            entered.set()
            await asyncio.sleep(30)

    async def cancel() -> None:
        entered = asyncio.Event()
        running = asyncio.create_task(block(entered))
        await asyncio.wait_for(entered.wait(), timeout=SOON)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    assert tasks.get(task.id).reason is Reason.EXCEPTION


def test_a_plain_block_that_overruns_is_settled_at_its_deadline_and_what_it_does_later_is_refused(tasks: Tasks) -> None:
    task = tasks.create("import", timeout=0.3)
    with tasks.settling(task) as attempt:
        assert tasks.wait(task.id, SOON).reason is Reason.TIMEOUT
        attempt.result = "too late"
    row = tasks.get(task.id)
    assert (row.status, row.reason, row.result) == (Status.FAILED, Reason.TIMEOUT, None)
    assert row.finished_at is not None
    assert row.started_at is not None
    assert 300 <= row.finished_at - row.started_at < 10_000  # its bound is minutes later
    assert tasks.ledger.counts()["refused"] == 1


def test_a_task_runs_once(tasks: Tasks, task: Task) -> None:
    with (
        tasks.settling(task),
        pytest.raises(NotAllowed, match="cannot be run here: it is running, not pending"),
        tasks.settling(task),
    ):
        raise AssertionError("entered twice")
    assert tasks.get(task.id).status is Status.COMPLETED
    with pytest.raises(NotAllowed, match="it is completed"), tasks.settling(task):
        raise AssertionError("entered again")


@pytest.mark.parametrize(
    ("make", "error"), [(lambda: "nonsense", BadTaskId), (lambda: new_id(0), TaskNotFound)], ids=["odd", "old"]
)
def test_an_id_that_is_none_is_refused_before_the_block(
    tasks: Tasks, make: Callable[[], str], error: type[Exception]
) -> None:
    task_id = make()
    with pytest.raises(error), tasks.settling(task_id):
        raise AssertionError("entered")
    with pytest.raises(error):
        tasks.run(task_id, fails, AssertionError("called"))
    with pytest.raises(error):
        asyncio.run(tasks.guard(task_id, afails(AssertionError("awaited"))))


def test_outside_of_its_block_an_attempt_can_do_nothing(tasks: Tasks, task: Task) -> None:
    with pytest.raises(NotAllowed, match="use this inside the with block"):
        tasks.settling(task).progress(0.5)


def test_a_call_is_run_and_its_ending_returned(tasks: Tasks) -> None:
    ending = tasks.run(tasks.create("add"), lambda a, b: a + b, 1, b=2)
    assert (ending.end, ending.result) == (End.COMPLETED, 3)


def test_a_call_that_fails_is_an_ending_and_no_error(tasks: Tasks, task: Task) -> None:
    ending = tasks.run(task, fails, PublicError("This address does not exist."))
    assert (ending.end, ending.reason, ending.message) == (
        End.FAILED,
        Reason.EXCEPTION,
        "This address does not exist.",
    )


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()], ids=["exit", "interrupt"])
def test_a_call_that_ends_the_program_settles_first(tasks: Tasks, task: Task, error: BaseException) -> None:
    with pytest.raises(type(error)):
        tasks.run(task, fails, error)
    assert tasks.get(task.id).reason is Reason.EXCEPTION


def test_an_awaitable_is_guarded_and_its_ending_returned(tasks: Tasks) -> None:
    async def both() -> list[Any]:
        async def add(a: int, b: int) -> int:
            return a + b

        return [
            await tasks.guard(tasks.create("add"), add(1, 2)),
            await tasks.guard(tasks.create("add"), afails(ValueError("no"))),
            await tasks.guard(tasks.create("add", timeout=0.2), asyncio.sleep(30)),
        ]

    endings = asyncio.run(both())
    assert [ending.end for ending in endings] == [End.COMPLETED, End.FAILED, End.FAILED]
    assert [ending.reason for ending in endings] == [None, Reason.EXCEPTION, Reason.TIMEOUT]
    assert endings[0].result == 3


def test_an_awaitable_whose_task_cannot_run_is_not_begun(tasks: Tasks, task: Task) -> None:
    task.cancel()
    with pytest.raises(NotAllowed, match="it is failed"):
        asyncio.run(tasks.guard(task, afails(AssertionError("awaited"))))


def test_an_attempt_that_is_to_be_followed_by_another_ends_as_what_it_is(tasks: Tasks) -> None:
    @tasks.task(attempts=3)
    def work() -> None: ...

    ending = tasks.run(work.submit(), fails, ValueError("try again"))
    assert ending.end is End.ABORTED
    assert "try again" in ending.message
    assert "pending" in ending.message


def test_progress_is_told_as_from_a_task_function(tasks: Tasks, task: Task) -> None:
    with tasks.settling(task) as attempt:
        attempt.progress(7, "half of postgres://app:hunter2@db\ud800")
        deadline = time.monotonic() + SOON
        while tasks.get(task.id).progress is None and time.monotonic() < deadline:
            tasks.wait(task.id, 0.02)
        row = tasks.get(task.id)
        assert (row.progress, row.progress_message) == (1.0, "half of postgres://***@db\ufffd")
        with pytest.raises(ValueError, match="says nothing"):
            attempt.progress(float("nan"))
        with pytest.raises(TypeError, match="words come second"):
            attempt.progress("half")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", 5, None, "\ud800"])
def test_a_name_that_cannot_be_kept_is_refused(tasks: Tasks, name: Any) -> None:
    with pytest.raises(BadInput, match="name="):
        tasks.create(name)
    assert tasks.ledger.counts()["pending"] == 0


def test_the_name_of_a_registered_function_is_refused(tasks: Tasks) -> None:
    @tasks.task(name="work")
    def work() -> None: ...

    with pytest.raises(BadInput, match="'work' is a registered task function; submit it"):
        tasks.create("work")


def test_a_key_names_one_created_task(tasks: Tasks) -> None:
    assert tasks.create("import", key="k").id == tasks.create("import", key="k").id


def test_a_block_that_is_cancelled_before_it_is_entered_settles_what_was_claimed_for_it(
    tasks: Tasks, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, claiming, go_on = tasks.ledger.claim, threading.Event(), threading.Event()

    def slow(*args: Any) -> Any:
        claiming.set()
        assert go_on.wait(SOON)
        return claim(*args)

    monkeypatch.setattr(tasks.ledger, "claim", slow)

    async def enter() -> None:
        async with tasks.settling(task):
            raise AssertionError("it was cancelled before")

    async def main() -> None:
        entering = asyncio.create_task(enter())
        assert await asyncio.to_thread(claiming.wait, SOON)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        go_on.set()
        ending = await task.await_(SOON)
        assert (ending.end, ending.reason) == (End.FAILED, Reason.EXCEPTION)
        assert "CancelledError" in ending.message

    asyncio.run(main())
