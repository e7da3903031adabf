"""A real web server killed and told to end, as the page that waits sees it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.crash.conftest import Worlds
from tests.crash.processes import until
from tests.crash.servers import Address, children
from tests.crash.world import LATE, NOTICED, World, quickest

WITHIN = 20.0
"""Seconds that a test waits for what is a matter of a moment, with the start of a server; a task may take 60."""


@pytest.fixture
def world(worlds: Worlds) -> World:
    return worlds(drain=0.5)


@pytest.fixture
def address(world: World) -> Iterator[Address]:
    made = Address(world)
    yield made
    made.close()


def test_a_page_that_waits_is_answered_when_its_killed_server_comes_back(world: World, address: Address) -> None:
    server = address.serve()
    task = address.submit("held", world.gate())
    world.executing(task)
    server.kill()

    back = time.monotonic()
    address.serve()
    body = address.poll(task)  # the first answer that the new server gives at all

    world.record(
        "uvicorn killed and restarted, seen by a page, with its start", "failed / worker_lost", time.monotonic() - back
    )
    assert body["settled"]
    assert body["error"]["reason"] == "worker_lost"


def test_what_was_accepted_survives_the_kill_of_the_server(world: World, address: Address) -> None:
    server = address.serve()
    task = address.submit("held", world.gate(), attempts=2)
    server.kill()
    world.open_gate()

    address.serve()

    assert address.settled(task, WITHIN)["result"] == "opened"


def test_a_long_poll_does_not_keep_a_server_that_is_told_to_end(world: World, address: Address) -> None:
    server = address.serve()
    task = address.submit("held", world.gate())
    world.executing(task)
    answers: list[dict[str, object]] = []

    def wait() -> None:
        answers.append(address.page.get(f"/tasks/{task}", headers={"Prefer": "wait=30"}, timeout=40).json())

    page = threading.Thread(target=wait)
    page.start()
    until(lambda: address.poll(task)["status"] == "running", WITHIN, "the server answers others meanwhile")
    assert page.is_alive()

    told = server.signal(signal.SIGTERM)
    page.join(timeout=WITHIN)
    world.record("SIGTERM under uvicorn while a long poll is open", "answered at once", time.monotonic() - told)

    assert not page.is_alive()
    assert answers[0]["settled"] is False
    assert server.ended(within=WITHIN) in (0, -signal.SIGTERM)
    assert world.row(task)["reason"] == "interrupted"


def test_a_task_that_finishes_in_the_drain_of_a_deploy_completes(world: World, address: Address) -> None:
    server = address.serve(drain=30)
    task = address.submit("held", world.gate())
    world.executing(task)

    server.signal(signal.SIGTERM)
    world.open_gate()

    assert server.ended(within=WITHIN) in (0, -signal.SIGTERM)
    assert world.row(task)["status"] == "completed"


def test_a_coroutine_that_holds_the_servers_loop_is_broken_and_the_server_goes_on(
    world: World, address: Address
) -> None:
    address.serve()

    def delay() -> float:
        task = address.submit("blocks_the_loop", 60, timeout=1)
        body = address.settled(task, WITHIN)
        assert body["error"]["reason"] == "timeout"
        row = world.row(task)
        return float((row["finished_at"] - row["started_at"]) / 1000 - 1)

    least = quickest(delay)

    world.record("a coroutine that holds uvicorn's event loop", "failed / timeout (after its deadline)", least)
    assert least < LATE
    assert address.settled(address.submit("quick", 5), WITHIN)["result"] == 5


def test_of_four_server_processes_one_is_killed_and_its_tasks_settle(world: World, address: Address) -> None:
    server = address.serve("--workers", "4")
    tasks = [address.submit("held", world.gate()) for _ in range(24)]
    for task in tasks:
        world.executing(task)
    victim = world.executions()[0].pid
    assert victim in children(server.pid)
    theirs = {execution.id for execution in world.executions() if execution.pid == victim}

    killed = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    for task in theirs:
        world.written(task, NOTICED)
    world.record("one of uvicorn's 4 workers killed", "failed / worker_lost", time.monotonic() - killed)
    world.open_gate()

    for task in tasks:
        row = world.written(task, WITHIN)
        assert (row["status"], row["reason"]) == (("failed", "worker_lost") if task in theirs else ("completed", None))
    assert len(world.executions()) == len(tasks)


def test_beside_a_web_server_the_worker_command_takes_over_from_a_killed_one(world: World, address: Address) -> None:
    address.serve(embedded=False)
    command = [sys.executable, "-m", "settled.cli", "worker", "tests.crash.app:tasks"]
    first = world.start(command, world.environment())
    task = address.submit("held", world.gate(), attempts=2)
    assert world.executing(task, within=WITHIN).pid == first.pid
    second = world.start(command, world.environment())

    first.kill()
    assert world.executing(task, attempt=2, within=WITHIN).pid == second.pid
    world.open_gate()

    assert address.settled(task, WITHIN)["result"] == "opened"
    second.signal(signal.SIGTERM)
    assert second.ended(within=WITHIN) == 0
