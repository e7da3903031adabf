"""The HTTP surface as a bare ASGI app: no framework, to be mounted under any prefix."""

from __future__ import annotations

from collections.abc import Mapping

from settled.tasks import Tasks
from settled.web.face import (
    GONE,
    ROUTES,
    SCRIPT,
    SCRIPTS,
    Authorize,
    Face,
    Owner,
    below,
    dashboard_root,
    full_path,
    not_offered,
)
from settled.web.problems import problem
from settled.web.request import App, Receive, Scope, Send
from settled.web.stream import Stream
from settled.web.wire import Answer


class TasksApp:
    """``GET /{id}``, ``/{id}/events``, ``/{id}/fragment``, ``POST /{id}/cancel``, ``/{id}/retry``, ``GET /settled.js``.

    owner         ``(request) -> str | None``, async or quick: who asks. Only the tasks that they own
                  (``using(owner=…)``) are there for them; all others answer 404. ``NotSignedIn`` answers 401.
    authorize     ``(request, task) -> bool``, async or quick; decides on what the asker does not own.
                  The request is a ``web.request.Request``. With neither, whoever knows the id of a task
                  without an owner may see it, and nobody one that has an owner.
    errors        ``"public"`` lets only the messages of ``PublicError`` through
    public_cache  whether shared caches may keep what has settled
    dashboard     what is served under ``/ui``: a ``settled.dashboard.Dashboard(tasks)``; None: nothing is

    A POST that comes from a page of another site is refused with 403. Where it is the whole app, it also
    serves the lifespan of ``tasks``; where it is mounted, the app around it does.
    """

    _kind: type[Face] = Face
    _routes: Mapping[str, Mapping[str, str]] = ROUTES
    _scripts: tuple[str, ...] = SCRIPTS

    def __init__(
        self, tasks: Tasks, *, owner: Owner | None = None, authorize: Authorize | None = None, errors: str = "all",
        public_cache: bool = False, dashboard: App | None = None,
    ) -> None:  # fmt: skip
        self._dashboard = dashboard
        self._face = self._kind(tasks, authorize, owner, errors, public_cache)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            root = self._dashboard and dashboard_root(scope)
            if self._dashboard and root is not None:
                await self._dashboard({**scope, "path": full_path(scope), "root_path": root}, receive, send)
                return
            answer = await self._answer(scope, receive)
            if isinstance(answer, Stream):
                await answer.play(receive, send)
            elif answer is not GONE:
                await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
                body = b"" if scope["method"] == "HEAD" else answer.body
                await send({"type": "http.response.body", "body": body})
        elif scope["type"] == "lifespan":
            await live(self._face.tasks, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | Stream:
        # Older routers cut the prefix off the path, newer ones only say it in root_path.
        path = scope["path"]
        root = scope.get("root_path", "").rstrip("/")
        rest = below(root, path) if root else path
        task_id, slash, verb = (path if rest is None else rest)[1:].partition("/")
        offered = self._routes.get(verb) if task_id and (verb or not slash) else None
        if task_id in self._scripts and not slash:
            offered = SCRIPT
        if offered is None:
            return problem(404, "no-such-address", "No such address", "There is nothing at this address.")
        operation = offered.get(scope["method"])
        if operation is None:
            return not_offered(scope["method"], offered)
        return await self._face.answer(operation, scope, receive, task_id)


async def live(tasks: Tasks, receive: Receive, send: Send) -> None:
    """Serve the lifespan of an app that is whole."""
    await receive()
    phase = "startup"
    try:
        async with tasks.lifespan():
            await send({"type": "lifespan.startup.complete"})
            phase = "shutdown"
            await receive()
    except Exception as error:
        await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
        raise
    await send({"type": "lifespan.shutdown.complete"})
