"""The same on Redis, in the threads pool, on PostgreSQL; and over HTTP, under Celery's id."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from celery import Celery, chain

from settled import Reason, Status
from settled.web.asgi import TasksApp
from tests import brokers
from tests.crash.processes import until
from tests.engines.adopt.world import AdoptedWorld

pytestmark = [pytest.mark.xdist_group("adopt-threads")]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdoptedWorld]:
    world = AdoptedWorld(tmp_path_factory.mktemp("threads"), brokers.redis_url(), "threads", ledger="postgres")
    yield world
    world.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_results_failures_and_retries(shop: AdoptedWorld) -> None:
    ids = [shop.call("add", 1, 2), shop.call("fails"), shop.call("flaky", 2)]
    ended = [shop.end_of(task_id) for task_id in ids]
    assert [row.result for row in ended] == [3, None, 2]
    assert [row.reason for row in ended] == [None, Reason.EXCEPTION, None]
    assert [row.attempt for row in ended] == [1, 1, 3]


def test_a_chain(shop: AdoptedWorld) -> None:
    add = shop.app.tasks["add"]
    assert shop.end_of(chain(add.s(1, 2), add.s(3)).apply_async().id).result == 6


def test_an_id_used_twice_runs_twice_and_settles_once(shop: AdoptedWorld) -> None:
    task_id = shop.call("waits", "twice", task_id=f"twice-{shop.queue}")
    shop.running(task_id)
    shop.call("waits", "twice", task_id=task_id)
    shop.running(task_id, 2)
    shop.open_gate("twice")
    row = shop.end_of(task_id)
    assert (row.status, row.attempt) == (Status.COMPLETED, 1)


def test_a_call_from_a_producer_that_is_not_adopted(shop: AdoptedWorld) -> None:
    other = Celery("other", broker=shop.settings["broker"], set_as_current=False)
    other.conf.broker_transport_options = shop.app.conf.broker_transport_options
    try:
        task_id = other.send_task("add", (1, 2), queue=shop.queue).id
        until(lambda: shop.tasks.wait(task_id, 1).result == 3, 20, "it has a row, and a result")
    finally:
        other.close()


def test_an_unknown_task(shop: AdoptedWorld) -> None:
    assert shop.end_of(shop.app.send_task("nobody knows it").id).reason is Reason.ENQUEUE_FAILED


def test_revoked_before_it_starts(shop: AdoptedWorld) -> None:
    task_id = shop.call("add", 1, 2, countdown=6)  # the revoke is there first
    shop.app.control.revoke(task_id, reply=True, timeout=5, limit=1)
    assert shop.end_of(task_id).reason is Reason.CANCELLED


@pytest.mark.anyio
async def test_a_page_waits_by_celerys_id(shop: AdoptedWorld) -> None:
    chosen = f"order-18-of-{shop.queue}"
    shop.call("waits", "page", task_id=chosen)
    transport = httpx.ASGITransport(app=TasksApp(shop.tasks))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as page:
        before = (await page.get(f"/{chosen}")).json()
        assert (before["id"], before["settled"]) == (chosen, False)
        shop.open_gate("page")
        for _ in range(10):
            after = (await page.get(f"/{chosen}", headers={"prefer": "wait=10"})).json()
            if after["settled"]:
                break
        assert (after["status"], after["result"]) == ("completed", "opened")


def test_a_worker_that_is_told_to_end_lets_its_tasks_end_and_leaves_nothing(tmp_path: Path) -> None:
    shop = AdoptedWorld(tmp_path, brokers.redis_url())
    try:
        process = shop.up()
        task_id = shop.call("waits", "drain")
        shop.running(task_id)
        process.signal(signal.SIGTERM)
        shop.open_gate("drain")
        assert shop.end_of(task_id).result == "opened"
        assert process.ended(within=20) == 0
        assert shop.alive() == []
    finally:
        shop.close()


def test_a_retry_that_begins_before_its_predecessor_has_ended_is_not_ended_with_it(shop: AdoptedWorld) -> None:
    task_id = shop.call("lingers", "lingering")
    shop.running(task_id, 2)
    assert shop.end_of(shop.call("add", 1, 2)).result == 3  # so the other one of the two threads is free
    assert shop.tasks.get(task_id).status is Status.RUNNING
    shop.open_gate("lingering")
    row = shop.end_of(task_id)
    assert (row.result, row.attempt) == ("opened", 2)
