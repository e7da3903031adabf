"""A broker that is away, hangs or forgets: the row is there all the same, and is published once there is a broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from settled import Status, Tasks
from settled.engines.celery import CeleryEngine
from settled.testing.proxy import Proxy
from tests import brokers
from tests.crash.processes import until
from tests.engines.engine import engine_of
from tests.engines.functions import build
from tests.engines.kinds import CeleryKind

Submitters = Callable[[CeleryKind], Tasks]


@pytest.fixture
def submitter(tmp_path: Path) -> Iterator[Submitters]:
    """Makes the tasks of a process that only submits."""
    made: list[Tasks] = []

    def make(kind: CeleryKind) -> Tasks:
        made.append(build(f"sqlite:///{tmp_path}/tasks.db", engine_of(kind.settings)))
        return made[-1]

    yield make
    for tasks in made:
        tasks.stop()


@pytest.fixture
def redis() -> Iterator[brokers.OwnServer]:
    server = brokers.own_redis()
    yield server
    server.close()


@pytest.fixture
def behind_a_proxy() -> Iterator[tuple[CeleryKind, CeleryKind, Proxy]]:
    """RabbitMQ as it is seen through a network, and as it is."""
    url = brokers.rabbitmq_url()
    proxy = Proxy(*brokers.address_of(url))
    parts = urlsplit(url)
    login = f"{parts.username}:{parts.password}@" if parts.username else ""
    seen = CeleryKind(parts._replace(netloc=f"{login}127.0.0.1:{proxy.port}").geturl(), "prefork")
    real = CeleryKind(url, "prefork")
    real.queue = seen.queue
    yield seen, real, proxy
    proxy.close()
    real.close()


def test_what_is_submitted_while_the_broker_is_away_is_published_when_it_is_there(
    submitter: Submitters, redis: brokers.OwnServer
) -> None:
    kind = CeleryKind(f"redis://127.0.0.1:{redis.port}/0", "prefork")
    tasks = submitter(kind)
    submitted = [tasks.submit("gives", number) for number in range(3)]
    assert {task.refresh().status for task in submitted} == {Status.PENDING}
    redis.start()
    until(lambda: kind.messages() == 3, 15, "the three are published")


def test_a_broker_that_was_restarted_and_kept_nothing_is_told_again(
    submitter: Submitters, redis: brokers.OwnServer
) -> None:
    redis.start()
    kind = CeleryKind(f"redis://127.0.0.1:{redis.port}/0", "prefork")
    submitter(kind).submit("gives", 1)
    until(lambda: kind.messages() == 1, 15, "it is published")
    redis.stop()
    redis.start()
    until(lambda: kind.messages() == 1, 25, "it is published again")


def test_a_connection_that_was_cut_is_made_again(
    submitter: Submitters, behind_a_proxy: tuple[CeleryKind, CeleryKind, Proxy]
) -> None:
    seen, real, proxy = behind_a_proxy
    tasks = submitter(seen)
    tasks.submit("gives", 1)
    until(lambda: real.messages() == 1, 15, "the first is published")
    proxy.cut()
    tasks.submit("gives", 2)
    proxy.mend()
    until(lambda: real.messages() >= 2, 25, "the second is published")


def test_a_broker_that_hangs_holds_up_neither_submits_nor_other_writes(
    submitter: Submitters, behind_a_proxy: tuple[CeleryKind, CeleryKind, Proxy]
) -> None:
    seen, _, proxy = behind_a_proxy
    tasks = submitter(seen)
    assert isinstance(tasks.engine, CeleryEngine)
    tasks.engine.app.conf.broker_connection_timeout = 60  # far longer than forty commits take
    proxy.silence()
    begun = time.monotonic()
    for number in range(20):
        assert tasks.submit("gives", number).cancel().settled
    assert time.monotonic() - begun < 60  # the publisher hangs in its first try
