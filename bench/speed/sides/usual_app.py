"""The pattern as people write it: FastAPI with ``BackgroundTasks`` and SQLAlchemy sessions, as in the docs of both."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from bench.speed.sides import usual_table
from bench.speed.sides.work import nothing, stamped

open_session = usual_table.sessions(os.environ["BENCH_FOLDER"])
app = FastAPI()


def get_session() -> Iterator[Session]:
    """One session for one request."""
    with open_session() as session:
        yield session


def write(task_id: str, result: object, error: Exception | None) -> None:
    """Store how a task ended, in a session of its own."""
    with open_session() as session:
        if error is None:
            usual_table.complete(session, task_id, result)
        else:
            usual_table.fail(session, task_id, error)


async def run(task_id: str, work: Callable[..., Awaitable[object]], *args: int) -> None:
    """The background task."""
    result, trouble = None, None
    try:
        result = await work(*args)
    except Exception as error:
        trouble = error
    await run_in_threadpool(write, task_id, result, trouble)


@app.post("/work", status_code=202)
def start(
    number: int, background: BackgroundTasks, session: Annotated[Session, Depends(get_session)]
) -> dict[str, str]:
    """Submit."""
    task_id = usual_table.insert(session)
    background.add_task(run, task_id, nothing, number)
    return {"id": task_id, "status": "pending"}


@app.post("/stamped", status_code=202)
def start_stamped(background: BackgroundTasks, session: Annotated[Session, Depends(get_session)]) -> dict[str, str]:
    """Submit what says when it ended."""
    task_id = usual_table.insert(session)
    background.add_task(run, task_id, stamped)
    return {"id": task_id, "status": "pending"}


@app.get("/tasks/{task_id}")
def status(task_id: str, session: Annotated[Session, Depends(get_session)]) -> dict[str, object]:
    """Poll."""
    row = session.get(usual_table.TaskResult, task_id)
    if row is None:
        raise HTTPException(404)
    result = None if row.result_data is None else json.loads(row.result_data)
    return {"id": row.id, "status": row.status, "result": result, "error": row.error_message}
