"""Latest values over HTTP as a FastAPI router, in the OpenAPI schema; what it does is ``web.latest_face``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from settled.states import Reason, Status
from settled.tasks import Tasks
from settled.web.face import not_offered
from settled.web.fastapi import METHODS, response_of
from settled.web.fastapi_schema import POLLING, UNCHANGED, TaskError, problems_of
from settled.web.latest_face import MOST_KEYS, OF_NAME, OF_REFRESH, Authorize, LatestFace


class LatestError(BaseModel):
    """Why the newest refresh of a key failed."""

    reason: Reason
    message: str = Field(description="For a person to read and act on.")
    type: str | None = Field(description="The name of the exception's class, if there was one.")
    at: str = Field(description="RFC 3339, UTC, for people to read.")


class FormerValue(BaseModel):
    """A value that a key had before."""

    value: Any
    got_at: str


class LatestItem(BaseModel):
    """A key as it stands: what is known now, and whether more is under way."""

    name: str
    key: str
    found: bool = Field(description="Whether there is a value; an empty one (null, {}, []) is one.")
    value: Any
    got_at: str | None = Field(description="RFC 3339, UTC, for people to read.")
    age: float | None = Field(description="Seconds since the value was got.")
    stale: bool = Field(description="Whether the value is past its freshness.")
    last_error: LatestError | None = Field(description="Cleared by the next refresh that succeeds.")
    failures: int = Field(description="How many refreshes in a row have failed.")
    retry_in: float = Field(description="In how many seconds a look may start the next refresh, after a failure.")
    refreshing: bool
    task: str | None = Field(description="The newest refresh.")
    settles_in: float = Field(description="In how many seconds, at most, the refresh under way has ended; 0 without.")
    settled: bool = Field(description="Whether no refresh is under way: nothing will change by waiting.")
    retry_after: float = Field(description="In how many seconds to ask again; 0 if nothing is under way.")


class LatestBody(LatestItem):
    """The same, and as a task: whoever can wait for a task can wait for a key."""

    status: Status = Field(
        description="`running` while a refresh is under way; then `completed` if there is a value, else `failed`."
    )
    result: Any = Field(description="The value once nothing is under way; null unless completed.")
    error: TaskError | None = Field(description="Why there is no value; null unless failed.")
    history: list[FormerValue] | None = Field(default=None, description="Only if asked for, newest first.")


class RefusedKey(BaseModel):
    """One of many of which nothing is told, and the problem document that it alone would get."""

    asked: str
    error: dict[str, Any]


class LatestBodies(BaseModel):
    """Many keys, in the order asked."""

    items: list[LatestItem | RefusedKey]
    settled: bool = Field(description="Whether no refresh of any of them is under way.")
    settles_in: float
    retry_after: float


class AskedKeys(BaseModel):
    """Which keys are asked for."""

    keys: list[str] = Field(max_length=MOST_KEYS)
    refresh: Literal["auto", "never", "force"] = "auto"


def latest_router(
    tasks: Tasks,
    *,
    authorize: Authorize | None = None,
    errors: Literal["all", "public"] = "all",
    writable: bool = False,
) -> APIRouter:
    """Return the router of the latest values: ``app.include_router(latest_router(tasks), prefix="/latest")``.

    authorize  ``(request, asked) -> bool``, async or quick: whether the asker may do ``asked.verb`` (``read``,
               ``refresh``, ``set``, ``purge``) with ``asked.key`` of ``asked.name``. False answers 404,
               ``web.NotSignedIn`` 401. Without it everybody may.
    errors     ``"public"`` lets only the messages of ``PublicError`` through
    writable   whether ``PUT /{name}/{key}`` sets a value, and ``DELETE`` purges
    """
    face = LatestFace(tasks, authorize, errors, writable=writable, view=Request, let_through=(HTTPException,))
    ends = _Endpoints(face)
    router = APIRouter(tags=["latest"])
    one, refused = "/{name}/{key:path}", problems_of(401, 404, 422, 503)
    router.add_api_route(
        "/{name}", ends.get_many, methods=["POST"], summary="Many keys as they stand", response_model=LatestBodies,
        openapi_extra={"requestBody": _KEYS, "parameters": POLLING}, responses=problems_of(401, 403, 404, 422, 503),
    )  # fmt: skip
    router.add_api_route(
        f"{one}/refresh", ends.force, methods=["POST"], summary="Refresh a key now", response_model=LatestBody,
        responses=problems_of(401, 403, 404, 422, 503),
    )  # fmt: skip
    router.add_api_route(
        one, ends.get_latest, summary="A key as it stands", response_model=LatestBody,
        openapi_extra={"parameters": POLLING}, responses={304: UNCHANGED, **refused},
    )  # fmt: skip
    router.add_api_route(one, ends.head, methods=["HEAD"], include_in_schema=False)
    if writable:
        for method, end, summary in (("PUT", ends.put, "Set a value by hand"), ("DELETE", ends.purge, "Forget a key")):
            extra = {"requestBody": _VALUE} if method == "PUT" else None
            router.add_api_route(
                one, end, methods=[method], summary=summary, response_model=LatestBody, openapi_extra=extra,
                responses=problems_of(401, 403, 404, 422, 503),
            )  # fmt: skip
    for path, offered in (("/{name}", OF_NAME), (f"{one}/refresh", OF_REFRESH), (one, face.of_key)):
        others = [method for method in METHODS if method not in offered and path != f"{one}/refresh"]
        if others:
            router.add_api_route(path, ends.refuse, methods=others, include_in_schema=False)
    return router


Name = Annotated[str, Path(description="The latest function's name.")]
Key = Annotated[str, Path(description="The key, as its function's hook reads it. It may have slashes.")]
Mode = Annotated[str, Query(description="`auto` may start a refresh, `never` only looks.")]
History = Annotated[str | None, Query(description="How many former values to tell, newest first.")]


class _Endpoints:
    """What FastAPI calls, once it has solved the dependencies that ``include_router`` was given."""

    def __init__(self, face: LatestFace) -> None:
        self._face = face

    async def get_latest(
        self, request: Request, name: Name, key: Key, refresh: Mode = "auto", history: History = None
    ) -> Response:
        """200 at once, with what is known. A look may start the one refresh of the key, if it is missing or stale."""
        return await self._answer("show", request, name, key)

    async def get_many(self, request: Request, name: Name) -> Response:
        """200 at once; one that its function refuses, or that the asker may not see, is an item with an ``error``."""
        return await self._answer("many", request, name)

    async def force(self, request: Request, name: Name, key: Key) -> Response:
        """Start a refresh whatever the age of the value, unless one is under way."""
        return await self._answer("force", request, name, key)

    async def put(self, request: Request, name: Name, key: Key) -> Response:
        """The body, any JSON, is the value from now on; a refresh under way is cancelled."""
        return await self._answer("put", request, name, key)

    async def purge(self, request: Request, name: Name, key: Key) -> Response:
        """Its value, error and history go; a refresh under way is cancelled."""
        return await self._answer("purge", request, name, key)

    async def head(self, request: Request) -> Response:
        response = await self._answer("show", request, request.path_params["name"], request.path_params["key"])
        response.body = b""
        return response

    async def refuse(self, request: Request) -> Response:
        offered = self._face.of_key if "key" in request.path_params else OF_NAME
        return response_of(not_offered(request.method, offered))

    async def _answer(self, operation: str, request: Request, name: str, key: str = "") -> Response:
        return response_of(await self._face.answer(operation, request.scope, request.receive, name, key))


_KEYS = {"content": {"application/json": {"schema": AskedKeys.model_json_schema()}}, "required": True}
_VALUE = {"content": {"application/json": {"schema": {}}}, "required": True}
