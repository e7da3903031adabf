"""RQ, as its documentation on jobs and workers shows it; in both variants a job timeout, since it has one for each job.

Hardened: the worker looks for abandoned jobs every five seconds instead of every ten minutes.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException
from redis import Redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus

from bench.zombies.surroundings import LIMIT, STORE

redis = Redis.from_url(STORE)
queue = Queue(connection=redis, default_timeout=LIMIT)
ENDS = {
    JobStatus.FINISHED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.STOPPED: "failed",
    JobStatus.CANCELED: "failed",
}
web = FastAPI()


@web.post("/tasks", status_code=202)
def submit(culprit: str, token: str) -> dict[str, str]:
    function = "bench.zombies.culprits.gone" if culprit == "gone" else "bench.zombies.culprits.run"
    return {"id": queue.enqueue(function, culprit, token).id}


@web.get("/tasks/{task_id}")
def status(task_id: str) -> dict[str, Any]:
    try:
        job = Job.fetch(task_id, connection=redis)
    except NoSuchJobError:
        raise HTTPException(404) from None
    status, last = job.get_status(), job.latest_result()
    return {
        "status": ENDS.get(status, str(status)),
        "result": last.return_value if last else None,
        "error": last.exc_string if last else None,
    }
