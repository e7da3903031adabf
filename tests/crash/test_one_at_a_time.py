"""What runs in a process has ended before the next attempt at its task begins, whatever keeps its worker from that."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from settled import Tasks, service
from settled.stores.base import Change, Written
from tests.crash import functions
from tests.crash.conftest import Worlds
from tests.crash.processes import until
from tests.crash.world import Execution, FileWorld, gone

WITHIN = 20.0
"""Seconds that a test waits for what comes in a few."""
TIMEOUT = 6.0


@pytest.fixture
def world(worlds: Worlds) -> Iterator[FileWorld]:
    """A world whose lease is over long after all else."""
    made = worlds(lease=30, drain=0.3)
    yield made
    for gate in ("gate", "loop"):
        made.open_gate(gate)


@pytest.fixture
def here(world: FileWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Tasks]]:
    """Makes the application in this very process."""
    made: list[Tasks] = []

    def make(**options: Any) -> Tasks:
        made.append(functions.build(world.url, lease=30, **({"drain": 0.3} | options)))
        return made[-1]

    monkeypatch.setenv(functions.EVIDENCE, world.environment()[functions.EVIDENCE])
    yield make
    for gate in ("gate", "loop"):
        world.open_gate(gate)
    for tasks in made:
        tasks.stop()


def the_next_begins_alone(world: FileWorld, task: str, first: Execution) -> None:
    second = world.executing(task, attempt=2, within=WITHIN)
    assert gone(first.pid), "two processes worked at one task"
    assert second.pid != first.pid


def test_one_whose_time_is_over_while_a_task_holds_the_event_loop(world: FileWorld) -> None:
    worker = world.worker()
    world.worker(without="holds_the_loop")
    task = worker.submit("held_in_process", world.gate(), attempts=2, timeout=TIMEOUT)
    first = world.executing(task)
    world.executing(worker.submit("holds_the_loop", world.gate("loop")))
    the_next_begins_alone(world, task, first)


def test_one_whose_time_is_over_while_its_worker_is_frozen(world: FileWorld) -> None:
    worker, _ = world.worker(), world.worker()
    task = worker.submit("held_in_process", world.gate(), attempts=2, timeout=TIMEOUT)
    first = world.executing(task)
    world.freeze(worker)
    the_next_begins_alone(world, task, first)
    world.thaw(worker)


def test_one_whose_worker_is_killed_while_a_child_of_that_lives_on(world: FileWorld) -> None:
    worker, _ = world.worker(), world.worker()
    task = worker.submit("held_in_process", world.gate(), attempts=2)
    first = world.executing(task)
    pids = world.folder / "pids"
    worker.submit("forks", world.gate(), str(pids))
    until(lambda: pids.exists() and pids.read_text("ascii"), WITHIN, "a thread of it has forked")
    child = world.stranger(int(pids.read_text("ascii")))
    worker.kill()
    the_next_begins_alone(world, task, first)
    assert not gone(child)


@pytest.mark.parametrize("held", ["before", "meanwhile"])
def test_one_that_is_left_behind_since_a_task_holds_the_loop_when_all_is_to_end(
    world: FileWorld, here: Callable[..., Tasks], monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    monkeypatch.setattr(service, "STOP_SECONDS", 0.5)
    one = here()
    one.start()
    background = one._service._background
    assert background is not None
    task = one.functions["held_in_process"].using(attempts=2).submit(world.gate())
    first = world.executing(task.id)
    if held == "before":
        world.executing(one.functions["holds_the_loop"].submit(world.gate("loop")).id)
    else:
        begin = one._service.begin_closing

        def then_held() -> None:
            """The end has begun, and waits for what runs."""
            begin()
            loop = asyncio.get_running_loop()
            loop.call_later(0.1, lambda: until(lambda: os.path.exists(world.gate("loop")), WITHIN, "it is let go"))

        monkeypatch.setattr(one._service, "begin_closing", then_held)
    one.stop()
    assert gone(first.pid)
    world.worker()
    the_next_begins_alone(world, task.id, first)
    world.open_gate("loop")
    until(background.loop.is_closed, WITHIN, "the loop is closed once it is let go")


def test_one_whose_event_loop_was_closed_under_it(world: FileWorld, here: Callable[..., Tasks]) -> None:
    one, sender = here(embedded=False), here(embedded=False)

    async def work() -> Execution:
        task = await sender.functions["held_in_process"].using(attempts=2, timeout=TIMEOUT).asubmit(world.gate())
        carrying = asyncio.create_task(one.acarry(task.id))
        first = await asyncio.to_thread(world.executing, task.id, 1, WITHIN)
        carrying.cancel()
        return first

    first = asyncio.run(work())
    world.worker()
    the_next_begins_alone(world, first.id, first)


def test_what_is_claimed_as_the_worker_ends_is_handed_back_unbegun(
    world: FileWorld, here: Callable[..., Tasks], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, sender = here(drain=0), here(embedded=False)
    store = one._service.ledger.store
    write, claimed = store.write, asyncio.Event()

    async def work() -> str:
        loop = asyncio.get_running_loop()

        def slow(changes: list[Change]) -> Written:
            written = write(changes)
            if any(change.verb == "claim" for change in changes):
                loop.call_soon_threadsafe(claimed.set)
                time.sleep(0.3)  # a disk that is slow just now
            return written

        monkeypatch.setattr(store, "write", slow)
        async with one.working():
            task = await sender.functions["held_in_process"].using(attempts=2).asubmit(world.gate())
            await claimed.wait()
        return task.id

    task = asyncio.run(work())
    assert world.row(task)["status"] == "pending"
    world.worker()
    assert world.executing(task, attempt=2, within=WITHIN).pid != os.getpid()
    assert [execution.attempt for execution in world.executions(task)] == [2]
