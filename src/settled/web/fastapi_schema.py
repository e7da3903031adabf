"""What the OpenAPI schema of the FastAPI routers says: the bodies, the headers and the problems."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from settled.states import Reason, Status
from settled.web import wire


class TaskError(BaseModel):
    """Why a task failed."""

    reason: Reason
    message: str = Field(description="For a person to read and act on.")
    type: str | None = Field(description="The name of the exception's class, if there was one.")


class TaskProgress(BaseModel):
    """How far a task has come."""

    fraction: float | None = Field(description="From 0 to 1.")
    message: str | None


class TaskBody(BaseModel):
    """A task as it stands. ``settled`` says whether it has ended; the durations (seconds) say when to ask again."""

    id: str
    name: str
    status: Status
    settled: bool = Field(description="Whether this is the task's last word; it never changes again then.")
    result: Any = Field(description="What the task function returned; null unless completed.")
    error: TaskError | None
    progress: TaskProgress | None
    attempt: int = Field(description="Counted from 1; 0 while nobody has picked it up.")
    max_attempts: int
    created_at: str = Field(description="RFC 3339, UTC, for people to read.")
    started_at: str | None
    finished_at: str | None
    settles_at: str = Field(description="By when it will have ended, come what may.")
    settles_in: float = Field(description="In how many seconds, at most, it will have ended; 0 once it has.")
    retry_after: float = Field(description="In how many seconds to ask again; 0 once it has ended.")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "01931f6e-7c00-7cc3-98c4-dc0c0c07398f",
                    "name": "scrape",
                    "status": "failed",
                    "settled": True,
                    "result": None,
                    "error": {"reason": "exception", "message": "The server answered 404.", "type": "PublicError"},
                    "progress": {"fraction": 0.4, "message": "12 of 30 pages"},
                    "attempt": 1,
                    "max_attempts": 2,
                    "created_at": "2024-11-12T09:00:00.000Z",
                    "started_at": "2024-11-12T09:00:00.012Z",
                    "finished_at": "2024-11-12T09:00:04.310Z",
                    "settles_at": "2024-11-12T09:12:31.000Z",
                    "settles_in": 0,
                    "retry_after": 0,
                }
            ]
        }
    )


class Problem(BaseModel):
    """What went wrong with a request (RFC 9457)."""

    type: str = Field(examples=["urn:settled:not-found"], description="What kind of problem; for machines.")
    title: str = Field(examples=["No such task"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["No task has this id, or you may not see it."])


UNCHANGED: dict[str, Any] = {"description": "Unchanged since the `ETag` in `If-None-Match`."}
ACCEPTED: dict[str, Any] = {
    "description": "The new task.",
    "headers": {"Location": {"description": "Where to ask for the new task.", "schema": {"type": "string"}}},
}
POLLING = [
    {
        "name": "Prefer", "in": "header", "required": False, "schema": {"type": "string"}, "example": "wait=20",
        "description": f"`wait=N`: hold it for N seconds ({wire.LONGEST_WAIT} at most), or until the task changes.",
    },
    {
        "name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"},
        "description": "The `ETag` of the last answer; 304 if nothing has changed.",
    },
]  # fmt: skip
STREAMING = [
    {
        "name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"},
        "description": "The id of the last event that was seen: it is not told again.",
    },
]  # fmt: skip
ENDED: dict[str, Any] = {"description": "The task has settled, and `Last-Event-ID` says that this was told."}
AWAY: dict[str, Any] = {"description": "The database is away: all stays as it is."}
_DESCRIPTIONS = {
    401: "Nobody is signed in.",
    403: "The request comes from a page of another site.",
    404: "There is no such task, or the asker may not see it.",
    409: "The task's present status does not permit it.",
    410: "The task has been deleted: tasks are kept only for a while.",
    422: "The input is unusable.",
    503: "The database is away; ask again after `Retry-After` seconds.",
}


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the schema says of these problem documents."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "model": Problem,
            "description": _DESCRIPTIONS[status],
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status in statuses
    }
