"""The HTTP surface as a FastAPI router, in the OpenAPI schema; what it does is ``web.face``, as everywhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal
from urllib.parse import quote
from weakref import WeakSet

from fastapi import APIRouter, FastAPI, Header, Path, Request, Response
from fastapi.params import Depends
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match, NoMatchFound

from settled.errors import SettledError
from settled.task import Task
from settled.tasks import Tasks
from settled.web import wire
from settled.web.face import (
    DASHBOARD,
    ROUTES,
    SCRIPT,
    SCRIPTS,
    Authorize,
    Face,
    Owner,
    full_path,
    not_offered,
    problem_of,
)
from settled.web.fastapi_schema import ACCEPTED, AWAY, ENDED, POLLING, STREAMING, UNCHANGED, TaskBody, problems_of
from settled.web.request import App, Receive, Scope, Send
from settled.web.stream import Stream

DEFAULT_PREFIX = "/tasks"
_OF_A_URL = "!#$%&'()*+,/:;=?@[]~"
"""What may stand in a URL as it is (RFC 3986); the rest of a prefix is not for a header."""


def tasks_router(
    tasks: Tasks, *, owner: Owner | None = None, authorize: Authorize | None = None,
    errors: Literal["all", "public"] = "all", public_cache: bool = False, dashboard: App | None = None,
) -> APIRouter:  # fmt: skip
    """Return the router of one ``Tasks``: ``app.include_router(tasks_router(tasks), prefix="/tasks")``.

    owner         ``(request) -> str | None``, async or quick: who asks. Only the tasks that they own
                  (``using(owner=…)``) are there for them; all others answer 404. ``web.NotSignedIn`` answers 401.
    authorize     ``(request, task) -> bool``, async or quick; decides on what the asker does not own.
                  With neither, whoever knows the id of a task without an owner may see it, and nobody
                  one that has an owner.
    errors        ``"public"`` lets only the messages of ``PublicError`` through
    public_cache  whether shared caches may keep what has settled
    dashboard     what is served under ``/ui``: a ``settled.dashboard.Dashboard(tasks)``; None: nothing is

    Give it a prefix of its own. Dependencies given to ``include_router`` are honoured.
    """
    place = _Place(Face(tasks, authorize, owner, errors, public_cache, Request, (HTTPException,)))
    _PLACES.add(place)
    ends = _Endpoints(place.face)
    router = APIRouter(route_class=place.route_class, lifespan=place.lifespan, tags=["tasks"])
    if dashboard is not None:
        pages = _Pages(dashboard)
        for path in (f"/{DASHBOARD}", f"/{DASHBOARD}/{{rest:path}}"):
            router.add_api_route(path, pages.page, methods=["GET", "HEAD", "POST"], include_in_schema=False)
    summaries = (
        "The browser client", "The same without the element", "To submit and wait", "To look up many keys",
        "The element for batches",
    )  # fmt: skip
    for script, summary in zip(SCRIPTS, summaries, strict=True):
        router.add_api_route(
            f"/{script}", ends.script, summary=summary, response_class=_Script, responses={304: UNCHANGED}
        )
    router.add_api_route(
        "/{id}", ends.get_task, summary="A task as it stands", response_model=TaskBody,
        openapi_extra={"parameters": POLLING}, responses={304: UNCHANGED, **problems_of(401, 404, 410, 422, 503)},
    )  # fmt: skip
    router.add_api_route(
        "/{id}/cancel", ends.cancel_task, methods=["POST"], summary="Cancel a task", response_model=TaskBody,
        responses=problems_of(401, 403, 404, 409, 410, 422, 503),
    )  # fmt: skip
    router.add_api_route(
        "/{id}/retry", ends.retry_task, methods=["POST"], summary="Try a settled task again", response_model=TaskBody,
        status_code=202, responses={202: ACCEPTED, **problems_of(401, 403, 404, 409, 410, 422, 503)},
    )  # fmt: skip
    router.add_api_route(
        "/{id}/events", ends.task_events, summary="A task's changes as they come", response_class=_Events,
        openapi_extra={"parameters": STREAMING}, responses={204: ENDED, **problems_of(401, 404, 410, 422, 503)},
    )  # fmt: skip
    router.add_api_route(
        "/{id}/fragment", ends.task_fragment, summary="A task as a piece of HTML", response_class=HTMLResponse,
        responses={204: AWAY, **problems_of(422)},
    )  # fmt: skip
    for path, offered in (
        *((f"/{script}", SCRIPT) for script in SCRIPTS),
        *((f"/{{id}}/{verb}".rstrip("/"), ROUTES[verb]) for verb in ROUTES),
    ):
        if "HEAD" in offered:
            router.add_api_route(path, ends.head, methods=["HEAD"], include_in_schema=False, name=place.name)
        others = [method for method in METHODS if method not in offered]
        router.add_api_route(path, ends.refuse, methods=others, include_in_schema=False)
    return router


def accepted(
    task: Task, response: Response, *, request: Request | None = None, prefix: str | None = None
) -> dict[str, Any]:
    """Make ``response`` a 202 with ``Location`` and ``Retry-After``, and return the body.

    The ``Location`` lies where ``tasks_router`` is included in the app; pass the ``request`` where a
    proxy in front adds a prefix, or say the ``prefix`` yourself.
    """
    place = next((place for place in _PLACES if place.face.tasks.owns(task)), None)
    if prefix is None:
        prefix = DEFAULT_PREFIX if place is None else place.prefix(request)
    public = place is not None and place.face.public
    answer = wire.changed(task.snapshot, public=public, location=quote(f"{prefix}/{task.id}", safe=_OF_A_URL))
    response.status_code = answer.status
    for name, value in answer.headers:
        if name not in (b"content-type", b"content-length"):
            response.headers[name.decode()] = value.decode()
    body: dict[str, Any] = json.loads(answer.body)
    return body


def add_problem_handlers(app: FastAPI) -> None:
    """Answer settled's errors in the app's own endpoints as problem documents: bad input 422, database away 503."""

    async def handle(request: Request, error: Exception) -> Response:
        assert isinstance(error, SettledError)
        return response_of(problem_of(error))

    app.add_exception_handler(SettledError, handle)


def _idempotency_key(
    idempotency_key: Annotated[
        str | None, Header(description="Requests with the same key are one task, which is submitted once.")
    ] = None,
) -> str | None:
    return (idempotency_key or "").strip().strip('"') or None  # what is too long is refused by ``using``


IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]
"""A parameter of an endpoint: the ``Idempotency-Key`` header, for ``scrape.using(key=…).asubmit(…)``; None without."""

Id = Annotated[str, Path(description="The task's id, as returned by submit.")]


# -- the inside


class _Endpoints:
    """What FastAPI calls, once it has solved the dependencies that ``include_router`` was given."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def script(self, request: Request) -> Response:
        """An ES module: ``waitForTask(url)`` and ``<settled-task src=…>``."""
        return await self._answer("script", request)

    async def get_task(self, request: Request, id: Id) -> Response:  # noqa: A002  the name in the path
        """200 with the task, whatever became of it. What has settled never changes and may be cached."""
        return await self._answer("show", request, id)

    async def cancel_task(self, request: Request, id: Id) -> Response:  # noqa: A002
        """Settle it as failed, reason ``cancelled``; 409 if it has settled already."""
        return await self._answer("cancel", request, id)

    async def retry_task(self, request: Request, id: Id) -> Response:  # noqa: A002
        """Submit the same call as a new task, at ``Location``; the same new one, however often it is asked."""
        return await self._answer("retry", request, id)

    async def task_events(self, request: Request, id: Id) -> Response:  # noqa: A002
        """Server-sent events: the task as it stands, at every change, and at last when it has settled.

        It ends then, and after some minutes in any case; whoever comes back after the end gets 204.
        """
        return await self._answer("events", request, id)

    async def task_fragment(self, request: Request, id: Id) -> Response:  # noqa: A002
        """For htmx: asks for itself again while the task is open, and no more once it has settled or is unknown."""
        return await self._answer("fragment", request, id)

    async def head(self, request: Request) -> Response:
        task_id = request.path_params.get("id")
        response = await self._answer("show" if task_id else "script", request, task_id or "")
        response.body = b""
        return response

    async def refuse(self, request: Request) -> Response:
        last = request.scope["path"].rpartition("/")[2]
        return response_of(not_offered(request.method, SCRIPT if last in SCRIPTS else ROUTES.get(last, ROUTES[""])))

    async def _answer(self, operation: str, request: Request, task_id: str = "") -> Response:
        return response_of(await self._face.answer(operation, request.scope, request.receive, task_id))


class _Pages:
    """The dashboard below the router, behind the dependencies that ``include_router`` was given."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def page(self, request: Request) -> Response:
        rest = request.path_params.get("rest")
        path = full_path(request.scope)
        root = path if rest is None else path[: len(path) - len(rest) - 1]
        return _Passing(self._app, {**request.scope, "path": path, "root_path": root})


class _Passing(Response):
    """Lets another app answer."""

    def __init__(self, app: App, scope: Scope) -> None:
        super().__init__()
        self._app, self._scope = app, scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(self._scope, receive, send)


class _Route(APIRoute):
    """Remembers where it is reached, and refuses methods only where the path names a task: the rest is not ours."""

    place: _Place

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        self.place.reached(scope)
        found, child = super().matches(scope)
        if found is not Match.NONE and self.name == "refuse" and not _names_a_task(child["path_params"].get("id")):
            return Match.NONE, {}
        return found, child


class _Place:
    """Where a router is reached: known from the app's start, and from every request that comes by."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.name = f"settled:{id(self):x}"
        self.route_class = type("TasksRoute", (_Route,), {"place": self})
        self._app: Any = None
        self._root = ""

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        """Learn which app includes the router."""
        self._app = app
        yield

    def reached(self, scope: Scope) -> None:
        """Learn the same from a request, and the prefix in front of the app."""
        self._app = scope.get("app", self._app)
        self._root = scope.get("root_path", "")

    def prefix(self, request: Request | None) -> str:
        """The path of the router as a client has it."""
        known = [] if self._app is None else [(self._app, self._root)]
        if request is not None:
            known.insert(0, (request.app, request.scope.get("root_path", "")))
        for app, root in known:
            try:
                return root.rstrip("/") + str(app.url_path_for(self.name, id="-")).removesuffix("/-")
            except NoMatchFound:
                continue  # included in another app than this request's
        return DEFAULT_PREFIX


def _names_a_task(task_id: str | None) -> bool:
    """Whether this could be an id, or there is none in the path, as for the script."""
    return task_id is None or task_id.count("-") == 4


_PLACES: WeakSet[_Place] = WeakSet()
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class _Script(Response):
    media_type = "text/javascript"


class _Events(Response):
    media_type = "text/event-stream"


class _Streaming(Response):
    """Plays a stream instead of sending a body."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream.play(receive, send)


def response_of(answer: wire.Answer | Stream) -> Response:
    """What FastAPI sends for an answer of a face."""
    if isinstance(answer, Stream):
        return _Streaming(answer)
    response = Response(status_code=answer.status)
    response.body = answer.body
    response.raw_headers = answer.headers
    return response
