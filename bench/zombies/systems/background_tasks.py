"""FastAPI's ``BackgroundTasks`` with the published pattern's table, as its tutorial and SQLAlchemy's show the parts."""

from __future__ import annotations

import json
import uuid

from fastapi import BackgroundTasks, FastAPI, HTTPException
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from bench.zombies.culprits import run
from bench.zombies.surroundings import STORE

engine = create_engine(f"sqlite:///{STORE}/app.db")


class Base(DeclarativeBase):
    pass


class TaskResult(Base):
    __tablename__ = "task_results"
    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    result_data: Mapped[str | None]
    error_message: Mapped[str | None]


Base.metadata.create_all(engine)
web = FastAPI()


def work(task_id: str, culprit: str, token: str) -> None:
    with Session(engine) as session:
        task = session.get_one(TaskResult, task_id)
        try:
            task.result_data = json.dumps(run(culprit, token))
            task.status = "completed"
        except Exception as error:
            task.status, task.error_message = "failed", str(error)
        session.commit()


@web.post("/tasks", status_code=202)
def submit(culprit: str, token: str, background_tasks: BackgroundTasks) -> dict[str, str]:
    task_id = str(uuid.uuid4())
    with Session(engine) as session:
        session.add(TaskResult(id=task_id, status="pending"))
        session.commit()
    background_tasks.add_task(work, task_id, culprit, token)
    return {"id": task_id}


@web.get("/tasks/{task_id}")
def status(task_id: str) -> dict[str, object]:
    with Session(engine) as session:
        task = session.get(TaskResult, task_id)
    if task is None:
        raise HTTPException(404)
    result = task.result_data and json.loads(task.result_data)
    return {"status": task.status, "result": result, "error": task.error_message}
