"""Latest values over HTTP as a bare ASGI app: no framework, to be mounted under any prefix."""

from __future__ import annotations

from settled.tasks import Tasks
from settled.web.asgi import live
from settled.web.face import GONE, below, not_offered
from settled.web.latest_face import OF_NAME, OF_REFRESH, Asked, Authorize, LatestFace
from settled.web.problems import problem
from settled.web.request import Receive, Scope, Send
from settled.web.wire import Answer

__all__ = ["Asked", "LatestApp"]


class LatestApp:
    """``GET /{name}/{key}``, ``POST /{name}`` for many keys, ``POST /{name}/{key}/refresh``.

    authorize  ``(request, asked) -> bool``, async or quick: whether the asker may do ``asked.verb`` with
               ``asked.key`` of ``asked.name``. False answers 404, ``NotSignedIn`` 401. Without it everybody may.
    errors     ``"public"`` lets only the messages of ``PublicError`` through
    writable   whether ``PUT /{name}/{key}`` sets a value, and ``DELETE`` purges

    A key may have slashes, and ends where the path ends. A POST, PUT or DELETE that comes from a page of another site
    is refused with 403, and a GET from there starts nothing. Where it is the whole app, it also serves the lifespan of
    ``tasks``; where it is mounted, the app around it does.
    """

    def __init__(
        self, tasks: Tasks, *, authorize: Authorize | None = None, errors: str = "all", writable: bool = False
    ) -> None:
        self._face = LatestFace(tasks, authorize, errors, writable=writable)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await self._answer(scope, receive)
            if answer is not GONE:
                await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
                body = b"" if scope["method"] == "HEAD" else answer.body
                await send({"type": "http.response.body", "body": body})
        elif scope["type"] == "lifespan":
            await live(self._face.tasks, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        root = scope.get("root_path", "").rstrip("/")
        rest = below(root, path) if root else path
        name, slash, key = (path if rest is None else rest)[1:].partition("/")
        if not name or (slash and not key):
            return problem(404, "no-such-address", "No such address", "There is nothing at this address.")
        offered = self._face.of_key if slash else OF_NAME
        if method == "POST" and key.endswith("/refresh"):
            offered, key = OF_REFRESH, key.removesuffix("/refresh")
        operation = offered.get(method)
        if operation is None:
            return not_offered(method, offered)
        return await self._face.answer(operation, scope, receive, name, key)
