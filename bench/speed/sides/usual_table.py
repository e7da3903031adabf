"""The table of the published pattern as people map it: SQLAlchemy, a sync session, SQLite with WAL and FULL."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, String, Text, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

THREADS = 40  # of Starlette's and anyio's pool


class Base(DeclarativeBase):
    """The declarative base."""


class TaskResult(Base):
    """One task."""

    __tablename__ = "task_results"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    status: Mapped[str] = mapped_column(String(20))
    result_data: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)


def sessions(folder: str) -> sessionmaker[Session]:
    """Open the database and return its session factory.

    The pool is as large as the thread pool. With SQLAlchemy's default of 5 + 10 connections the app
    stands still for 30 s at 64 in flight: 40 threads wait for connections, whose holders wait for a
    thread in which to give them back. That would be no baseline.
    """
    path = Path(folder) / "usual.db"
    patience = {"check_same_thread": False, "timeout": 30}
    engine = create_engine(f"sqlite:///{path}", connect_args=patience, pool_size=THREADS, max_overflow=0)
    _set_durable(engine)
    Base.metadata.create_all(engine)
    return sessionmaker(engine)


def _set_durable(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")


def insert(session: Session) -> str:
    """Store a pending task; return its id."""
    task_id = str(uuid.uuid4())
    session.add(TaskResult(id=task_id, status="pending"))
    session.commit()
    return task_id  # row.id would read the row again


def complete(session: Session, task_id: str, result: object) -> None:
    """Store the result of a task."""
    row = session.get_one(TaskResult, task_id)
    row.status, row.result_data = "completed", json.dumps(result)
    session.commit()


def fail(session: Session, task_id: str, error: Exception) -> None:
    """Store the failure of a task."""
    row = session.get_one(TaskResult, task_id)
    row.status, row.error_message = "failed", str(error)
    session.commit()
