"""The database has done it and its answer is lost: it is done once, and everybody is told the truth."""

from __future__ import annotations

import pytest

from settled.testing.proxy import Proxy
from tests.postgres.conftest import Worlds
from tests.postgres.test_restarted import BACK
from tests.postgres.world import ServerWorld

CLAIM = b"SET status = 'running'"
"""In the text of a claim, which is sent with the first one."""


@pytest.fixture
def world(worlds: Worlds) -> ServerWorld:
    return worlds(drain=1.0)


def test_a_submit_whose_answer_is_lost_makes_one_task(world: ServerWorld, proxy: Proxy) -> None:
    worker = world.worker(url=world.over_the_network(proxy.port))
    proxy.lose_reply_to(b"marked by the test")

    task = worker.submit("quick", "marked by the test")

    assert proxy.robbed.wait(BACK)
    assert world.written(task, BACK)["status"] == "completed"
    assert list(world.rows()) == [task]
    assert len(world.executions()) == 1


def test_a_submit_with_a_key_whose_answer_is_lost_makes_one_task(world: ServerWorld, proxy: Proxy) -> None:
    worker = world.worker(url=world.over_the_network(proxy.port))
    proxy.lose_reply_to(b"marked by the test")

    task = worker.submit("quick", "marked by the test", key="once")

    assert proxy.robbed.wait(BACK)
    assert world.written(task, BACK)["status"] == "completed"
    assert worker.submit("quick", "marked by the test", key="once") == task
    assert list(world.rows()) == [task]


@pytest.mark.parametrize("name", ["held", "held_in_thread", "held_in_process"])
def test_an_end_whose_answer_is_lost_is_written_once(world: ServerWorld, proxy: Proxy, name: str) -> None:
    worker = world.worker(url=world.over_the_network(proxy.port))
    task = worker.submit(name, world.gate())
    world.executing(task)
    proxy.lose_reply_to(b"opened")  # the result

    world.open_gate()

    assert proxy.robbed.wait(BACK)
    row = world.written(task, BACK)
    assert (row["status"], row["result_data"]) == ("completed", "opened")
    assert worker.look(task)["status"] == "completed"
    assert len(world.executions(task)) == 1


def test_a_claim_whose_answer_is_lost_runs_all_the_same_and_once(world: ServerWorld, proxy: Proxy) -> None:
    """Its worker finds it running under its own name, long before its time is over."""
    worker = world.worker(url=world.over_the_network(proxy.port))
    proxy.lose_reply_to(CLAIM)
    task = world.submitter().submit("quick", "waits to be claimed", timeout=60)
    assert proxy.robbed.wait(BACK)
    row = world.written(task, BACK)
    assert (row["status"], row["attempt"]) == ("completed", 1)
    assert len(world.executions(task)) == 1
    assert worker.look(task)["status"] == "completed"
