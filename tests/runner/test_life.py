"""The life of a ledger in one process: an app and a script may begin it, end it and begin again, in any order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from settled import Tasks


async def twice(number: int) -> int:
    return 2 * number


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Tasks]:
    made = Tasks(f"sqlite:///{tmp_path}/tasks.db")
    made.task(name="twice", start_timeout=5)(twice)
    yield made
    made.stop()


def served(tasks: Tasks) -> int:
    """The result of a task that an app submits while it lives."""

    async def live() -> int:
        async with tasks.lifespan():
            result: int = (await (await tasks.asubmit("twice", 2))).unwrap()
            return result

    return asyncio.run(live())


def test_an_app_ends_in_order_though_something_was_submitted_before_it_began(tasks: Tasks) -> None:
    assert tasks.submit("twice", 1).result(20) == 2
    assert served(tasks) == 4
    assert tasks._service.engine is None
    assert served(tasks) == 4


def test_what_is_submitted_after_an_app_has_ended_is_run(tasks: Tasks) -> None:
    assert served(tasks) == 4
    assert tasks.submit("twice", 3).result(20) == 6


def test_a_forked_child_that_ends_leaves_its_parent_alone(tasks: Tasks, tmp_path: Path) -> None:
    assert tasks.submit("twice", 1).result(20) == 2
    locks = sorted((tmp_path / "tasks.db.workers").iterdir())
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)  # it used to wait for threads that only its parent has
        tasks.stop()  # as its atexit does
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted((tmp_path / "tasks.db.workers").iterdir()) == locks
    assert tasks.submit("twice", 3).result(20) == 6


def test_of_two_apps_that_end_in_the_order_in_which_they_began_neither_leaves_a_signal_to_raise(
    tasks: Tasks, tmp_path: Path
) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))

    async def live() -> None:
        one, two = tasks.lifespan(), Tasks(f"sqlite:///{tmp_path}/two.db").lifespan()
        for lifespan in (one, two):
            await lifespan.__aenter__()
        for lifespan in (one, two):
            await lifespan.__aexit__(None, None, None)

    try:
        asyncio.run(live())
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
