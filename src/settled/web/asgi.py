"""The HTTP surface as a bare ASGI app: no framework, to be mounted under any prefix."""

from __future__ import annotations

from settled.tasks import Tasks
from settled.web.face import GONE, ROUTES, SCRIPT, Authorize, Face, below, not_offered
from settled.web.problems import problem
from settled.web.request import Receive, Scope, Send
from settled.web.wire import Answer


class TasksApp:
    """``GET /{id}``, ``POST /{id}/cancel``, ``POST /{id}/retry`` and ``GET /settled.js``.

    authorize     ``(request, task) -> bool``, async or quick; False answers 404, ``NotSignedIn`` 401.
                  The request is a ``web.request.Request``. Without it, whoever knows an id may see the task.
    errors        ``"public"`` lets only the messages of ``PublicError`` through
    public_cache  whether shared caches may keep what has settled

    A POST that comes from a page of another site is refused with 403. Where it is the whole app, it also
    serves the lifespan of ``tasks``; where it is mounted, the app around it does.
    """

    def __init__(
        self, tasks: Tasks, *, authorize: Authorize | None = None, errors: str = "all", public_cache: bool = False
    ) -> None:
        self._face = Face(tasks, authorize, errors, public_cache)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await self._answer(scope, receive)
            if answer is not GONE:
                await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
                body = b"" if scope["method"] == "HEAD" else answer.body
                await send({"type": "http.response.body", "body": body})
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        # Older routers cut the prefix off the path, newer ones only say it in root_path.
        path = scope["path"]
        root = scope.get("root_path", "").rstrip("/")
        rest = below(root, path) if root else path
        task_id, slash, verb = (path if rest is None else rest)[1:].partition("/")
        offered = ROUTES.get(verb) if task_id and (verb or not slash) else None
        if task_id == "settled.js" and not slash:
            offered = SCRIPT
        if offered is None:
            return problem(404, "no-such-address", "No such address", "There is nothing at this address.")
        operation = offered.get(scope["method"])
        if operation is None:
            return not_offered(scope["method"], offered)
        return await self._face.answer(operation, scope, receive, task_id)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            async with self._face.tasks.lifespan():
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except Exception as error:
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})
