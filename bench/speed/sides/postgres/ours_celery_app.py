"""settled over Celery, as the worker and the submitter import it: broker and settings as those of bare Celery."""

from __future__ import annotations

import os

from bench.speed.sides.postgres.celery_app import QUEUE, app
from bench.speed.sides.work import nothing
from settled import Tasks
from settled.engines.celery import CeleryEngine

tasks = Tasks(f"{os.environ['BENCH_URL']}?schema=bench", engine=CeleryEngine(app, queue=QUEUE))
function = tasks.task(timeout=60)(nothing)
