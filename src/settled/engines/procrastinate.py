"""Procrastinate as the engine, on its PostgreSQL.

What is published is a job with the task's id. It is no retry strategy's: a lost attempt is found by its worker's
lock and lease, and its next one is published from its row. Jobs are handed over on a connection of our own, never
on the app's asynchronous pool, which belongs to an event loop. In a worker the tasks run on that loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from procrastinate import App, JobContext
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import AbortReason
from procrastinate.manager import JobManager
from procrastinate.tasks import configure_task
from procrastinate.types import JSONDict
from psycopg import InterfaceError, OperationalError

from settled.engines.base import EngineRefused, Home, Message, no_arguments
from settled.states import Reason

POLL = 1.0
"""Seconds between two looks for jobs. Procrastinate (3.10) forgets a notification that comes while it looks."""
_INTERRUPTED = "The worker was shut down, as in a deploy, and the task did not finish in the time that was left."


class ProcrastinateEngine:
    """``Tasks(url, engine=ProcrastinateEngine(app))``: tasks are carried by the app's workers of ``queue``.

    task_name  what Procrastinate calls the one task that carries all of ours; several ``Tasks`` need several
    """

    name = "procrastinate"
    at_once = 100
    publishes = True

    def __init__(self, app: App, *, queue: str = "settled", task_name: str = "settled.run") -> None:
        self.app = app
        self.queue = queue
        self.task_name = task_name
        self._home: Home | None = None
        self._connector: Any = None

    def attach(self, home: Home) -> None:
        async def run(context: JobContext, id: str) -> None:  # noqa: A002 - the argument, as people see it in their table
            try:
                await home.acarry(id)
            except asyncio.CancelledError:
                if context.abort_reason() is AbortReason.USER_REQUEST:
                    home.give_up(id, Reason.CANCELLED, "Its job was aborted in Procrastinate.")
                else:
                    home.give_up(id, Reason.INTERRUPTED, _INTERRUPTED)
                raise

        self._home = home
        self._connector = self.app.connector.get_sync_connector()
        self.app.task(name=self.task_name, queue=self.queue, retry=False, pass_context=True)(run)

    def prepare(self) -> None:
        """Its driver is imported with it."""

    def publish(self, messages: Sequence[Message]) -> None:
        try:
            self._connector.open()  # does nothing when it is
            task = configure_task(name=self.task_name, job_manager=JobManager(self._connector), queue=self.queue)
            jobs: list[JSONDict] = [{"id": message.id} for message in messages]
            task.batch_defer(*jobs)
        except ConnectorException as error:
            if isinstance(error.__cause__, (OperationalError, InterfaceError)):
                raise
            raise EngineRefused(f"{type(error.__cause__).__name__}: {error.__cause__}") from error

    def work(self, *, concurrency: int | None, drain: float | None, arguments: Sequence[str]) -> None:
        no_arguments(self.name, arguments)
        asyncio.run(self._work(concurrency or 10, drain))

    async def _work(self, concurrency: int, drain: float | None) -> None:
        assert self._home is not None
        await self._home.abegin()
        try:
            async with self.app.open_async():
                await self.app.run_worker_async(
                    queues=[self.queue], concurrency=concurrency, delete_jobs="always", fetch_job_polling_interval=POLL,
                    shutdown_graceful_timeout=drain, install_signal_handlers=True,  # type: ignore[arg-type]
                )  # fmt: skip
        finally:
            await self._home.end()

    def close(self) -> None:
        self._connector.close()
