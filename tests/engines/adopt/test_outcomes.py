"""What Celery's tasks come to, unchanged, is what their rows say, under the ids that Celery has for them."""

from __future__ import annotations

import pytest

from settled import Reason, Status
from tests.crash.processes import until
from tests.engines.adopt.world import AdoptedWorld

pytestmark = [pytest.mark.xdist_group("adopt-outcomes")]


def test_a_result_is_in_the_row_and_in_celery(shop: AdoptedWorld) -> None:
    answer = shop.app.tasks["add"].delay(20, 22)
    row = shop.end_of(answer.id)
    assert (row.status, row.result, row.name, row.attempt) == (Status.COMPLETED, 42, "add", 1)
    assert row.arguments == '{"args":[20,22],"kwargs":{}}'
    assert answer.get(timeout=10) == 42


def test_an_ignored_result_is_in_the_row(shop: AdoptedWorld) -> None:
    assert shop.end_of(shop.call("adds", [1, 2, 3])).result == 6


def test_a_result_without_a_json_form_completes_with_a_note(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("odd"))
    assert (row.status, row.result) == (Status.COMPLETED, None)
    assert "cannot be stored as JSON" in str(row.progress_message)


def test_a_failure_says_why(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("fails"))
    assert (row.reason, row.error_message, row.error_type) == (Reason.EXCEPTION, "as it is told to", "ValueError")
    assert row.attempt == 1
    assert "in fails" in str(row.traceback)


def test_a_retry_is_the_next_attempt_of_the_same_row(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("flaky", 2))
    assert (row.status, row.result, row.attempt, row.max_attempts) == (Status.COMPLETED, 2, 3, 3)
    assert "failure 2" in str(row.previous_error)


def test_when_no_retry_is_left_the_task_fails_with_its_own_error(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("flaky", 9))
    assert (row.reason, row.error_message, row.attempt) == (Reason.EXCEPTION, "failure 3", 3)


def test_a_hard_time_limit_is_a_timeout(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("limited"))
    assert row.reason is Reason.TIMEOUT
    assert "hard time limit of 1" in str(row.error_message)


def test_a_soft_time_limit_is_a_timeout(shop: AdoptedWorld) -> None:
    assert shop.end_of(shop.call("soft")).reason is Reason.TIMEOUT


def test_what_ignores_itself_is_cancelled(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("ignores"))
    assert row.reason is Reason.CANCELLED
    assert "raised Ignore" in str(row.error_message)


def test_what_rejects_its_message_fails(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("rejects"))
    assert (row.reason, row.error_message) == (Reason.EXCEPTION, "The task rejected its message: not today")


def test_what_replaces_itself_goes_on_under_its_id(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("replaced"))
    assert (row.status, row.result, row.attempt) == (Status.COMPLETED, 42, 2)


def test_a_direct_call_of_a_task_is_a_call_of_a_function(shop: AdoptedWorld) -> None:
    assert shop.end_of(shop.call("calls")).result == 10


def test_what_a_task_submits_has_a_row(shop: AdoptedWorld) -> None:
    assert shop.end_of(shop.end_of(shop.call("submits")).result).result == 11


def test_an_id_that_the_caller_chose_is_the_id(shop: AdoptedWorld) -> None:
    chosen = f"order 17 of {shop.queue}"
    assert shop.call("add", 1, 1, task_id=chosen) == chosen
    assert shop.end_of(chosen).result == 2


def test_a_countdown_counts_before_the_start(shop: AdoptedWorld) -> None:
    task_id = shop.call("add", 1, 2, countdown=1)
    row = shop.tasks.get(task_id)
    assert row.deadline_at - row.created_at == 61_000
    ended = shop.end_of(task_id)
    assert ended.result == 3
    assert ended.started_at is not None
    assert ended.started_at - ended.created_at >= 900


def test_a_task_that_no_worker_knows_is_told_of_at_once(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.app.send_task("nobody knows it").id)
    assert row.reason is Reason.ENQUEUE_FAILED
    assert "knows no task named 'nobody knows it'" in str(row.error_message)


def test_a_message_that_no_worker_can_read_is_told_of_at_once(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("add", 1, 2, serializer="pickle"))
    assert row.reason is Reason.ENQUEUE_FAILED
    assert "could not read its message" in str(row.error_message)


def test_a_worker_of_an_adopted_app_says_that_celery_brings_its_tasks(shop: AdoptedWorld) -> None:
    assert shop.end_of(shop.call("add", 1, 2)).worker is not None
    assert {worker.engine for worker in shop.ledger.workers() if worker.alive and worker.names != "[]"} == {"celery"}


def test_a_message_that_is_put_back_into_its_queue_is_the_next_attempt(shop: AdoptedWorld) -> None:
    row = shop.end_of(shop.call("rejected_once"))
    assert (row.result, row.attempt) == ("redelivered", 2)
    assert "once more" in str(row.previous_error)


def test_a_task_that_is_called_in_a_way_of_its_own_is_running_while_it_runs(shop: AdoptedWorld) -> None:
    task_id = shop.call("called", "called-gate")
    until(lambda: shop.tasks.get(task_id).status is Status.RUNNING, 10, "it runs")
    shop.open_gate("called-gate")
    assert shop.end_of(task_id).result == "opened"
