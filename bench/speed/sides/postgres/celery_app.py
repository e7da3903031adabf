"""The Celery app of this turn, as its worker and its submitter import it: RabbitMQ, results in PostgreSQL."""

from __future__ import annotations

import os

from celery import Celery
from kombu import Queue

from bench.speed.sides.work import RESULT

BROKER = os.environ.get("SETTLED_BENCH_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//")
QUEUE = os.environ["BENCH_QUEUE"]
app = Celery("bench", broker=BROKER, backend=os.environ["BENCH_BACKEND"])
app.conf.update(
    task_default_queue=QUEUE,
    task_queues=[Queue(QUEUE, durable=True)],
    broker_transport_options={"confirm_publish": True},  # else a submit would return before the message is safe
    broker_connection_retry_on_startup=False,
    task_serializer="json",
    result_serializer="json",
)


@app.task(name="nothing")
def nothing(number: int) -> dict[str, object]:
    """Return the result at once."""
    return RESULT
