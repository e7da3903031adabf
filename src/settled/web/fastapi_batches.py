"""Batches over HTTP as a FastAPI router, in the OpenAPI schema; what it does is ``web.batch_face``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from settled.states import Reason, Status
from settled.tasks import Tasks
from settled.web.batch_face import MOST, ROUTES, USUAL, BatchFace
from settled.web.face import Authorize, Owner, not_offered
from settled.web.fastapi import METHODS, response_of
from settled.web.fastapi_schema import POLLING, UNCHANGED, TaskBody, TaskError, TaskProgress, problems_of


class BatchCounts(BaseModel):
    """How many tasks are in which status."""

    pending: int
    running: int
    completed: int
    failed: int


class BatchFailure(BaseModel):
    """Why tasks of a batch failed, and how many."""

    reason: Reason
    message: str = Field(description="For a person to read and act on.")
    count: int


class BatchBody(BaseModel):
    """A batch as it stands, with some of its tasks. ``settled`` says whether all of them have ended."""

    id: str
    name: str
    status: Status = Field(description="As of one task, for whoever waits for it: `failed` if any task failed.")
    settled: bool = Field(description="Whether every task has settled; nothing of it changes again then.")
    result: None = None
    error: TaskError | None = Field(description="How many failed and why, in a line.")
    progress: TaskProgress
    total: int
    counts: BatchCounts
    failures: list[BatchFailure] = Field(description="The most frequent first.")
    created_at: str = Field(description="RFC 3339, UTC, for people to read.")
    finished_at: str | None
    settles_at: str = Field(description="By when all of it will have ended, come what may.")
    settles_in: float = Field(description="In how many seconds, at most, it will have ended; 0 once it has.")
    retry_after: float = Field(description="In how many seconds to ask again; 0 once it has ended.")
    next: str | None = Field(description="`after` of the next page; null if this is the last.")
    cursor: str = Field(description="`changed_since` of the next look for changes.")
    more: bool = Field(description="Whether more has changed already: look again at once, with the cursor.")
    tasks: list[TaskBody] = Field(description="In the order submitted; of changes, in the order in which they ended.")


def batches_router(
    tasks: Tasks, *, owner: Owner | None = None, authorize: Authorize | None = None,
    errors: Literal["all", "public"] = "all", public_cache: bool = False,
) -> APIRouter:  # fmt: skip
    """Return the router of one ``Tasks``' batches: ``app.include_router(batches_router(tasks), prefix="/batches")``.

    The options are those of ``tasks_router``; ``authorize`` is asked about the first task of a batch.
    """
    ends = _Endpoints(BatchFace(tasks, authorize, owner, errors, public_cache, Request, (HTTPException,)))
    router = APIRouter(tags=["batches"])
    router.add_api_route(
        "/{id}", ends.get_batch, summary="A batch as it stands, page by page", response_model=BatchBody,
        openapi_extra={"parameters": POLLING}, responses={304: UNCHANGED, **problems_of(401, 404, 410, 422, 503)},
    )  # fmt: skip
    router.add_api_route(
        "/{id}/cancel", ends.cancel_batch, methods=["POST"], summary="Cancel what is open of a batch",
        response_model=BatchBody, responses=problems_of(401, 403, 404, 409, 410, 422, 503),
    )  # fmt: skip
    router.add_api_route(
        "/{id}/retry", ends.retry_batch, methods=["POST"], summary="Try the failed tasks of a settled batch again",
        response_model=BatchBody, status_code=202,
        responses={202: _ACCEPTED, **problems_of(401, 403, 404, 409, 410, 422, 503)},
    )  # fmt: skip
    router.add_api_route("/{id}", ends.head, methods=["HEAD"], include_in_schema=False)
    for verb, offered in ROUTES.items():
        others = [method for method in METHODS if method not in offered]
        router.add_api_route(f"/{{id}}/{verb}".rstrip("/"), ends.refuse, methods=others, include_in_schema=False)
    return router


Id = Annotated[str, Path(description="The batch's id.")]
After = Annotated[str | None, Query(description="The page behind the task with this id: `next` of the page before.")]
Limit = Annotated[str, Query(description=f"How many tasks at most, up to {MOST:,}.")]
Since = Annotated[
    str | None, Query(description="Only tasks that have changed: `cursor` of an earlier answer. Some come again.")
]


class _Endpoints:
    """What FastAPI calls, once it has solved the dependencies that ``include_router`` was given."""

    def __init__(self, face: BatchFace) -> None:
        self._face = face

    async def get_batch(
        self, request: Request, id: Id,  # noqa: A002  the name in the path
        after: After = None, limit: Limit = str(USUAL), changed_since: Since = None,
    ) -> Response:  # fmt: skip
        """200 with the batch, whatever became of its tasks. What has settled never changes and may be cached."""
        return await self._answer("show", request, id)

    async def cancel_batch(self, request: Request, id: Id) -> Response:  # noqa: A002
        """Settle all of its open tasks as failed, reason ``cancelled``; 409 if it has settled already."""
        return await self._answer("cancel", request, id)

    async def retry_batch(self, request: Request, id: Id) -> Response:  # noqa: A002
        """Submit the calls of its failed tasks as a new batch, at ``Location``; the same new one, however often."""
        return await self._answer("retry", request, id)

    async def head(self, request: Request) -> Response:
        response = await self._answer("show", request, request.path_params["id"])
        response.body = b""
        return response

    async def refuse(self, request: Request) -> Response:
        last = request.scope["path"].rpartition("/")[2]
        return response_of(not_offered(request.method, ROUTES.get(last, ROUTES[""])))

    async def _answer(self, operation: str, request: Request, batch_id: str) -> Response:
        return response_of(await self._face.answer(operation, request.scope, request.receive, batch_id))


_ACCEPTED: dict[str, Any] = {
    "description": "The new batch.",
    "headers": {"Location": {"description": "Where to ask for the new batch.", "schema": {"type": "string"}}},
}
