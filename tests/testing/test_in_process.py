"""The fixtures that need no other process: a ledger of the test's own, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

import settled
from settled import BadLedgerUrl, Ledger, NotAllowed, Tasks
from settled.testing import ManualClock, Stage, isolated
from tests.testing import shop
from tests.testing.app import app

Move = Callable[[Tasks], Ledger]


def test_a_task_that_nobody_runs_says_so_when_its_time_is_over(
    settled_ledger: Move, settled_clock: ManualClock
) -> None:
    settled_ledger(shop.tasks)
    task = shop.order.submit(21)
    settled_clock.advance(599)
    assert not task.refresh().settled
    settled_clock.advance(2)
    assert str(task.wait()).startswith("failed: never_started: ")


def test_a_page_of_the_application_says_so_too(settled_ledger: Move, settled_clock: ManualClock) -> None:
    settled_ledger(shop.tasks)
    with TestClient(app) as page:
        location = page.post("/orders").headers["location"]
        assert page.get(location).json()["status"] == "pending"
        settled_clock.advance(601)
        assert page.get(location).json()["error"]["reason"] == "never_started"


def test_tasks_run_in_the_test_if_it_asks_so(tmp_path: Path) -> None:
    with isolated(shop.tasks, f"sqlite:///{tmp_path}/tasks.db", run=True):
        assert shop.order.submit(21).result(timeout=20) == 42


def test_latest_values_are_those_of_the_test_s_ledger_too(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/home.db")
    price = tasks.latest(fresh_for=60)(shop.price)
    with isolated(tasks, f"sqlite:///{tmp_path}/tasks.db", run=True):
        assert price.sync.get("ABC", wait=20).value == 3
    assert not Path(tmp_path, "home.db").exists()


def test_the_tasks_are_at_home_again_afterwards(tmp_path: Path) -> None:
    before = shop.tasks.url, shop.tasks.embedded, shop.tasks._service
    with isolated(shop.tasks) as ledger:
        assert shop.tasks.ledger is ledger
        assert shop.tasks.url != before[0]
    assert (shop.tasks.url, shop.tasks.embedded, shop.tasks._service) == before
    assert not Path("shop-of-the-tests.db").exists()


def test_an_application_that_has_begun_is_not_moved(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db")
    _ = tasks.ledger
    with pytest.raises(NotAllowed, match="open already"), isolated(tasks):
        pass
    tasks.stop()
    with isolated(tasks):
        pass


def test_a_server_s_clock_cannot_be_moved() -> None:
    with (
        pytest.raises(BadLedgerUrl, match="its server's clock"),
        isolated(shop.tasks, "postgresql://x@127.0.0.1/x", clock=ManualClock()),
    ):
        pass


@pytest.mark.crash
def test_whoever_waits_for_a_server_that_was_killed_hears_the_truth_of_the_next(stage: Stage) -> None:
    server = stage.serve("tests.testing.app:app", shop.tasks)
    location = httpx.post(f"{server.url}/orders", timeout=30).headers["location"]
    server.kill()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url + location, timeout=30)
    server.restart()
    ending = settled.wait(server.url + location)
    assert ending.completed or ending.reason == "worker_lost"
    assert stage.ledger.get(location.rpartition("/")[2]).status == ending.end
