"""The row is the outbox: what the broker loses is published again, and what nobody picks up says why."""

from __future__ import annotations

import psycopg

from settled import Reason, Status
from tests import servers
from tests.engines.conftest import over
from tests.engines.worlds import EngineWorld

BROKERS = ("celery-redis-prefork", "celery-rabbitmq-threads", "procrastinate-on-postgres")
"""Every broker once: what becomes of a message does not depend on the pool."""


@over(*BROKERS, "dask")
def test_what_nobody_picks_up_never_started_and_says_that_no_worker_is_alive(idle: EngineWorld) -> None:
    row = idle.end_of(idle.send("gives", 1, start_timeout=0.5))
    assert row.reason is Reason.NEVER_STARTED
    assert "no worker is alive; start one" in str(row.error_message)


@over(*BROKERS, "dask")
def test_what_is_submitted_while_no_worker_runs_is_picked_up_later(idle: EngineWorld) -> None:
    task = idle.send("gives", "later")
    assert task.refresh().status is Status.PENDING
    idle.up()
    assert idle.end_of(task).result == "later"


@over(*BROKERS)
def test_messages_that_the_broker_has_lost_are_published_again(idle: EngineWorld) -> None:
    tasks = [idle.send("gives", number) for number in range(3)]
    idle.until_published(3)
    assert idle.kind.lose_messages() == 3
    assert idle.kind.lose_messages() == 0
    idle.up()
    assert [idle.end_of(task).result for task in tasks] == [0, 1, 2]


@over(*BROKERS)
def test_a_message_for_a_task_that_has_settled_is_dropped(idle: EngineWorld) -> None:
    task = idle.send("gives", 1)
    idle.until_published(1)
    task.cancel()
    idle.up()
    assert idle.end_of(idle.send("gives", 2)).result == 2
    assert idle.executions(task.id) == []


@over("procrastinate-on-postgres")
def test_what_was_submitted_in_a_transaction_of_the_application_is_published_once_it_is_committed(
    world: EngineWorld,
) -> None:
    with psycopg.connect(servers.postgres()) as connection:
        task = world.send("gives", "inside", within=connection)
        other = world.send("gives", "outside")
        assert world.end_of(other).result == "outside"
        assert world.executions(task.id) == []
    assert world.end_of(task).result == "inside"
