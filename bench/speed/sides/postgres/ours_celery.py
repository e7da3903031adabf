"""settled over Celery: RabbitMQ and the same prefork worker; the result is settled's own, and Celery's store is off."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from bench.speed.sides.in_flight import asked, measure_with_worker
from bench.speed.sides.postgres.celery_ import command, with_environment
from bench.speed.sides.postgres.workers import worker


async def main(wish: dict[str, Any]) -> dict[str, float]:
    from bench.speed.sides.postgres.ours_celery_app import QUEUE, app, function, tasks

    async def finish(task: Any) -> object:
        return (await task).unwrap()

    with worker(command("bench.speed.sides.postgres.ours_celery_app:app", QUEUE), wish["folder"]):
        try:
            async with tasks.lifespan(None):
                return await measure_with_worker(
                    function.asubmit, finish, wish["in_flight"], wish["warm"], wish["seconds"]
                )
        finally:
            with app.connection_for_write() as connection:
                connection.default_channel.queue_delete(QUEUE)


if __name__ == "__main__":
    wish = asked()
    os.environ["BENCH_URL"] = wish["url"]
    with_environment(wish)
    print(json.dumps(asyncio.run(main(wish))))
