"""The database has done it and its answer is lost: it is done once, and everybody is told the truth."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from settled.testing.proxy import Proxy
from tests.postgres.conftest import Worlds
from tests.postgres.world import ServerWorld


@pytest.fixture
def world(worlds: Worlds) -> ServerWorld:
    return worlds(drain=1.0)


def test_a_submit_whose_answer_is_lost_makes_one_task(world: ServerWorld, proxy: Proxy) -> None:
    worker = world.worker(url=world.over_the_network(proxy.port))
    proxy.lose_reply_to(b"marked by the test")

    task = worker.submit("quick", "marked by the test")

    assert proxy.robbed.wait(5)
    assert world.written(task, 5)["status"] == "completed"
    assert list(world.rows()) == [task]
    assert len(world.executions()) == 1


def test_a_submit_with_a_key_whose_answer_is_lost_makes_one_task(world: ServerWorld, proxy: Proxy) -> None:
    worker = world.worker(url=world.over_the_network(proxy.port))
    proxy.lose_reply_to(b"marked by the test")

    task = worker.submit("quick", "marked by the test", key="once")

    assert proxy.robbed.wait(5)
    assert world.written(task, 5)["status"] == "completed"
    assert worker.submit("quick", "marked by the test", key="once") == task
    assert list(world.rows()) == [task]


@pytest.mark.parametrize("name", ["held", "held_in_thread", "held_in_process"])
def test_an_end_whose_answer_is_lost_is_written_once(world: ServerWorld, proxy: Proxy, name: str) -> None:
    worker = world.worker(url=world.over_the_network(proxy.port))
    task = worker.submit(name, world.gate())
    world.executing(task)
    proxy.lose_reply_to(b"opened")  # the result

    world.open_gate()

    assert proxy.robbed.wait(10)
    row = world.written(task, 5)
    assert (row["status"], row["result_data"]) == ("completed", "opened")
    assert worker.look(task)["status"] == "completed"
    assert len(world.executions(task)) == 1


def test_a_claim_whose_answer_is_lost_runs_once_or_is_tried_again_in_time(
    world: ServerWorld, proxy: Proxy, fresh: Callable[[], str]
) -> None:
    """Its worker does not know that it has it: its attempt is lost, and the next one completes."""
    task = world.submitter().submit("quick", fresh(), attempts=2, timeout=2)
    proxy.lose_reply_to(b"quick")
    world.worker(url=world.over_the_network(proxy.port))
    row = world.written(task, 15)
    assert row["status"] == "completed"


@pytest.fixture
def fresh() -> Callable[[], str]:
    return lambda: "waits to be claimed"
