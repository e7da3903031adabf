"""The engines that the conformance suite runs over, each on the real thing. A new one adds itself to ``KINDS``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg
from amqp import ChannelError
from procrastinate import App, SyncPsycopgConnector

from settled.engines.celery import CeleryEngine
from tests import brokers, servers
from tests.crash.processes import until
from tests.engines.engine import TARGET, Settings, engine_of

WORKER = [sys.executable, "-m", "settled.cli", "worker"]


class Kind:
    """One engine in one configuration: its settings, its worker's command, and what can be done to its messages."""

    engine = ""
    command: Sequence[str] = ()
    """What starts a worker; nothing where the workers are started otherwise."""
    broker = ""

    def __init__(self) -> None:
        self.queue = f"settled-test-{os.urandom(6).hex()}"
        self.settings: Settings = {"engine": self.engine, "broker": self.broker, "queue": self.queue}

    def begin(self) -> None:
        """Have workers, where no command starts them; harmless when repeated."""

    def end(self) -> None:
        """Have none."""

    def messages(self) -> int:
        """How many messages wait for a worker."""
        raise NotImplementedError

    def lose_messages(self) -> int:
        """Take every message away that waits for a worker; return how many there were."""
        raise NotImplementedError

    def consumers(self) -> int:
        """How many the broker still takes for alive, who may give a message back once it sees that they are not."""
        return 0

    def close(self) -> None:
        """Leave nothing behind in a server that others use too."""


class CeleryKind(Kind):
    engine = "celery"

    def __init__(self, broker: str, pool: str) -> None:
        self.broker = broker
        self.command = [
            *WORKER, "--engine", "celery", TARGET, "--concurrency", "2", f"--pass=--pool={pool}",
            "--pass=--without-gossip", f"--pass=--hostname={os.urandom(4).hex()}@%h",
        ]  # fmt: skip
        super().__init__()
        engine = engine_of(self.settings)
        assert isinstance(engine, CeleryEngine)
        self.app = engine.app

    def messages(self) -> int:
        with self.app.connection_for_write() as connection:
            channel = connection.default_channel
            if self.broker.startswith("redis"):
                return int(channel.client.llen(self.queue))
            return int(getattr(self._declared(channel), "message_count", 0))

    def consumers(self) -> int:
        if self.broker.startswith("redis"):
            return 0
        with self.app.connection_for_write() as connection:
            return int(getattr(self._declared(connection.default_channel), "consumer_count", 0))

    def _declared(self, channel: Any) -> Any:
        """What RabbitMQ says of the queue; None if nobody has made it yet."""
        try:
            return self.app.amqp.queues[self.queue].bind(channel).queue_declare(passive=True)
        except ChannelError:
            return None

    def lose_messages(self) -> int:
        with self.app.connection_for_write() as connection:
            queue = self.app.amqp.queues[self.queue].bind(connection.default_channel)
            return int(queue.purge() or 0)

    def close(self) -> None:
        if self.broker.startswith("redis"):
            with self.app.connection_for_write() as connection:
                client = connection.default_channel.client
                for key in client.scan_iter(f"{self.queue}:*"):
                    client.execute_command("UNLINK", key)
        else:
            with self.app.connection_for_write() as connection:
                self.app.amqp.queues[self.queue].bind(connection.default_channel).delete()
        self.app.close()


class ProcrastinateKind(Kind):
    engine = "procrastinate"
    command = (*WORKER, "--engine", "procrastinate", TARGET, "--concurrency", "4", "--drain", "5")

    def __init__(self) -> None:
        self._server = servers.postgres()
        self._database = f"settled_test_{os.urandom(6).hex()}"
        self._do(self._server, f"CREATE DATABASE {self._database} STRATEGY wal_log")
        self.broker = urlsplit(self._server)._replace(path=f"/{self._database}").geturl()
        super().__init__()
        with App(connector=SyncPsycopgConnector(conninfo=self.broker)).open() as app:
            app.schema_manager.apply_schema()

    def messages(self) -> int:
        return self._do(self.broker, "SELECT FROM procrastinate_jobs WHERE status = 'todo'")

    def lose_messages(self) -> int:
        return self._do(self.broker, "DELETE FROM procrastinate_jobs WHERE status = 'todo'")

    def close(self) -> None:
        self._do(self._server, f"DROP DATABASE {self._database} WITH (FORCE)")

    def _do(self, url: str, statement: str) -> int:
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(statement).rowcount  # type: ignore[arg-type]


class PoolKind(Kind):
    engine = "executor"


class DaskKind(Kind):
    engine = "dask"

    def __init__(self) -> None:
        import dask
        from distributed import LocalCluster

        # On a busy machine a killed worker is back later than that, and the cluster would give it up.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "300s"})
        self.cluster = LocalCluster(
            n_workers=0, threads_per_worker=2, processes=True, dashboard_address=None, silence_logs=logging.ERROR
        )
        self.broker = self.cluster.scheduler_address
        super().__init__()

    def begin(self) -> None:
        self.cluster.scale(2)

    def end(self) -> None:
        self.cluster.scale(0)  # which does not wait: one that was just starting may still take a task
        until(lambda: not self.cluster.workers and not self.cluster.scheduler.workers, 60, "no worker is left")

    def close(self) -> None:
        self.cluster.close()


class EmbeddedKind(Kind):
    engine = "embedded"
    command = (*WORKER, TARGET, "--drain", "1")


KINDS: dict[str, Callable[[], Kind]] = {
    "embedded": EmbeddedKind,
    "celery-redis-prefork": lambda: CeleryKind(brokers.redis_url(), "prefork"),
    "celery-redis-threads": lambda: CeleryKind(brokers.redis_url(), "threads"),
    "celery-rabbitmq-prefork": lambda: CeleryKind(brokers.rabbitmq_url(), "prefork"),
    "celery-rabbitmq-threads": lambda: CeleryKind(brokers.rabbitmq_url(), "threads"),
    "procrastinate": ProcrastinateKind,
    "process-pool": PoolKind,
    "dask": DaskKind,
}
