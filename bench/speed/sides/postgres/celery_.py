"""Celery with a durable result store: RabbitMQ with confirmed publishing, results in PostgreSQL, a prefork worker.

Publishing blocks, so eight threads do it. The rows of its result table are read with one query for all that is
waited for; ``AsyncResult.get`` would ask for each, twice a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.speed.sides.in_flight import asked, measure_with_worker
from bench.speed.sides.postgres import outcomes
from bench.speed.sides.postgres.workers import worker

CHILDREN = 2
READ = "SELECT task_id, result FROM celery_taskmeta WHERE task_id = ANY (%s) AND status = 'SUCCESS'"


def command(app: str, queue: str) -> list[str]:
    """How its documentation starts a worker; without what only several workers need."""
    return [sys.executable, "-m", "celery", "-A", app, "worker", "--pool=prefork", f"--concurrency={CHILDREN}",
            f"--queues={queue}", "--loglevel=WARNING", "--without-gossip", "--without-mingle"]  # fmt: skip


async def main(wish: dict[str, Any]) -> dict[str, float]:
    from bench.speed.sides.postgres.celery_app import QUEUE, app, nothing

    app.backend.session_manager.prepare_models(app.backend.session_manager.get_engine(app.backend.url))
    read = outcomes.Outcomes(wish["url"], READ)
    with ThreadPoolExecutor(8) as threads:

        async def submit(number: int) -> str:
            sent = await asyncio.get_running_loop().run_in_executor(threads, nothing.delay, number)
            return str(sent.id)

        with worker(command("bench.speed.sides.postgres.celery_app", QUEUE), wish["folder"]):
            try:
                return await measure_with_worker(submit, read.of, wish["in_flight"], wish["warm"], wish["seconds"])
            finally:
                with app.connection_for_write() as connection:
                    connection.default_channel.queue_delete(QUEUE)


def with_environment(wish: dict[str, Any]) -> None:
    """Set what ``celery_app`` reads, here and for the worker: a queue of this turn's own, and where results go."""
    os.environ["BENCH_QUEUE"] = wish["url"].rpartition("/")[2]
    os.environ["BENCH_BACKEND"] = "db+" + wish["url"].replace("postgresql://", "postgresql+psycopg://")


if __name__ == "__main__":
    wish = asked()
    with_environment(wish)
    print(json.dumps(asyncio.run(main(wish))))
