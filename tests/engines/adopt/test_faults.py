"""Processes killed, tasks revoked, messages lost: each task ends, and says why."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from settled import LedgerUnavailable, Reason, Status
from tests import brokers
from tests.crash.processes import until
from tests.engines.adopt.app import Settings, make
from tests.engines.adopt.world import AdoptedWorld
from tests.ports import port_without_a_server

pytestmark = [pytest.mark.xdist_group("adopt-faults"), pytest.mark.crash]


def test_a_killed_child_is_told_of_by_its_lock_or_by_celery(shop: AdoptedWorld) -> None:
    task_id = shop.call("waits", "never")
    os.kill(shop.running(task_id), signal.SIGKILL)
    row = shop.end_of(task_id, 10)
    assert row.reason is Reason.WORKER_LOST
    assert row.attempt == 1


def test_a_task_that_ends_its_process_has_lost_its_worker(shop: AdoptedWorld) -> None:
    assert shop.end_of(shop.call("exits")).reason is Reason.WORKER_LOST


def test_what_celery_brings_again_after_a_loss_is_the_next_attempt(shop: AdoptedWorld) -> None:
    task_id = shop.call("waits_late", "late-gate")
    os.kill(shop.running(task_id), signal.SIGKILL)
    shop.running(task_id, 2)
    shop.open_gate("late-gate")
    row = shop.end_of(task_id)
    assert (row.status, row.result, row.attempt) == (Status.COMPLETED, "opened", 2)
    assert "worker_lost" in str(row.previous_error)


def test_a_task_revoked_before_it_starts_is_cancelled(shop: AdoptedWorld) -> None:
    held = [shop.call("waits", "revoke-gate") for _ in range(2)]
    for task_id in held:
        shop.running(task_id)
    task_id = shop.call("add", 1, 2)
    shop.app.control.revoke(task_id, reply=True, timeout=5, limit=1)
    shop.open_gate("revoke-gate")
    row = shop.end_of(task_id)
    assert (row.reason, row.error_message) == (Reason.CANCELLED, "Celery revoked it.")
    assert [shop.end_of(id_).result for id_ in held] == ["opened"] * 2


def test_a_task_terminated_while_it_runs_is_cancelled(shop: AdoptedWorld) -> None:
    task_id = shop.call("waits", "never")
    shop.running(task_id)
    shop.app.control.revoke(task_id, terminate=True, signal="SIGKILL")
    row = shop.end_of(task_id)
    assert row.reason is Reason.CANCELLED
    assert "terminated while it ran" in str(row.error_message)


def test_our_cancel_reaches_the_running_task(shop: AdoptedWorld) -> None:
    task_id = shop.call("waits", "never")
    pid = shop.running(task_id)
    assert shop.tasks.cancel(task_id).reason is Reason.CANCELLED
    until(lambda: not Path(f"/proc/{pid}").exists(), 10, "its process is gone")


def test_a_task_cancelled_before_it_starts_does_not_run(shop: AdoptedWorld) -> None:
    held = [shop.call("waits", "cancel-gate") for _ in range(2)]
    for task_id in held:
        shop.running(task_id)
    task_id = shop.call("waits", "never")
    shop.ledger.cancelled = lambda row: None  # as by the command line, which knows no Celery
    try:
        shop.tasks.cancel(task_id)
    finally:
        shop.tasks.on_cancel(shop.app.settled._cancelled)
    shop.open_gate("cancel-gate")
    assert [shop.end_of(id_).result for id_ in held] == ["opened"] * 2
    assert shop.app.AsyncResult(task_id).status in ("PENDING", "REVOKED")
    until(lambda: shop.app.AsyncResult(task_id).status == "REVOKED", 10, "Celery has it as revoked")
    assert shop.runs(task_id) == []


def test_what_expires_is_cancelled(shop: AdoptedWorld) -> None:
    held = [shop.call("waits", "expiry-gate") for _ in range(2)]
    for task_id in held:
        shop.running(task_id)
    task_id = shop.call("add", 1, 2, expires=0.5)
    called = shop.ledger.store.now()  # Celery counts from when it makes the message, after the row was made
    row = shop.tasks.get(task_id)
    assert row.deadline_at - row.created_at <= 5_500
    until(lambda: shop.ledger.store.now() > called + 700, 10, "it has expired")
    shop.open_gate("expiry-gate")
    assert shop.end_of(task_id).reason in (Reason.CANCELLED, Reason.NEVER_STARTED)  # the broker may drop it itself
    assert [shop.end_of(id_).result for id_ in held] == ["opened"] * 2


def test_a_delivery_that_comes_twice_runs_and_is_refused(shop: AdoptedWorld) -> None:
    task_id = shop.call("flaky", 0)
    assert shop.end_of(task_id).result == 0
    refused = shop.refused()
    shop.app.tasks["flaky"].apply_async((1,), task_id=task_id)
    until(lambda: shop.refused() > refused, 20, "the late outcome is refused")
    assert shop.tasks.get(task_id).result == 0


def test_a_call_from_a_producer_that_is_not_adopted_has_its_row_when_it_runs(shop: AdoptedWorld) -> None:
    from celery import Celery

    other = Celery("other", broker=shop.settings["broker"], set_as_current=False)
    try:
        task_id = other.send_task("add", (1, 2), queue=shop.queue).id
        until(lambda: shop.tasks.wait(task_id, 1).completed, 20, "it has a row, and a result")
    finally:
        other.close()


def test_a_lost_message_never_started(tmp_path: Path) -> None:
    shop = AdoptedWorld(tmp_path, brokers.rabbitmq_url(), start_timeout=2.0)
    try:
        task_id = shop.call("add", 1, 2)
        with shop.app.connection_for_write() as connection:
            shop.app.amqp.queues[shop.queue].bind(connection.default_channel).purge()
        row = shop.end_of(task_id, 10)
        assert row.reason is Reason.NEVER_STARTED
        assert "no worker is alive" in str(row.error_message)
    finally:
        shop.close()


def test_the_whole_worker_killed_loses_what_it_ran(tmp_path: Path) -> None:
    shop = AdoptedWorld(tmp_path, brokers.redis_url(), ledger="postgres")
    try:
        process = shop.up()
        task_id = shop.call("waits", "never")
        shop.running(task_id)
        process.kill()
        assert shop.end_of(task_id, 15).reason is Reason.WORKER_LOST
        shop.check()
    finally:
        shop.close()


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a broker that is not there."""
    with port_without_a_server() as port:
        yield f"amqp://guest:guest@127.0.0.1:{port}//"


def test_a_publish_that_fails_settles_its_row(tmp_path: Path, nobody: str) -> None:
    app, tasks = make(settings(tmp_path, nobody))
    with pytest.raises(OperationalError):
        app.tasks["add"].apply_async((1, 2), task_id="unpublished")
    row = tasks.get("unpublished")
    assert row.reason is Reason.ENQUEUE_FAILED
    assert "Celery could not publish it: OperationalError" in str(row.error_message)
    tasks.stop()


def test_with_the_ledger_away_nothing_is_published(tmp_path: Path, nobody: str) -> None:
    app, tasks = make(settings(tmp_path, nobody))
    assert tasks.ledger.counts()["pending"] == 0
    for file in tmp_path.glob("tasks.db*"):
        file.rename(tmp_path / f"away-{file.name}")
    with pytest.raises(LedgerUnavailable, match="has been deleted or moved away"):
        app.tasks["add"].delay(1, 2)  # it would be an OperationalError of the broker's, that is not there either
    tasks.stop()


def settings(folder: Path, broker: str) -> Settings:
    return {
        "url": f"sqlite:///{folder}/tasks.db", "broker": broker, "backend": "disabled://", "queue": "none",
        "folder": str(folder),
    }  # fmt: skip
