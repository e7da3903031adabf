"""The operations of the HTTP surface, once for every framework: from an ASGI scope and an id to an answer."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cached_property
from importlib.resources import files
from typing import Any, TypeVar
from urllib.parse import quote

from settled.errors import BadInput, BadTaskId, LedgerUnavailable, SettledError, TaskNotFound
from settled.records import Snapshot
from settled.tasks import Tasks
from settled.web import fragment, problems, wire
from settled.web.problems import CrossSite
from settled.web.request import Receive, Request, Scope
from settled.web.stream import Stream
from settled.web.wire import Answer

log = logging.getLogger("settled")

T = TypeVar("T")
Authorize = Callable[[Any, Snapshot], bool | Awaitable[bool]]
"""Gets the request and the task; True lets the asker in, False answers 404, as if there were no such task."""
Owner = Callable[[Any], str | Awaitable[str | None] | None]
"""Gets the request; returns who asks, as it was given to ``using(owner=…)`` at the submit, or None for nobody."""
Operation = Callable[[Scope, Receive, str], Coroutine[Any, Any, Answer | Stream]]

ROUTES: Mapping[str, Mapping[str, str]] = {
    "": {"GET": "show", "HEAD": "show"},
    "cancel": {"POST": "cancel"},
    "retry": {"POST": "retry"},
    "events": {"GET": "events"},
    "fragment": {"GET": "fragment"},
}
"""What follows ``/{id}``: the methods offered there, and the operation of each."""
SCRIPTS = ("settled.js", "waiter.js", "submit.js", "latest.js", "batch.js")
SCRIPT: Mapping[str, str] = {"GET": "script", "HEAD": "script"}
"""The same for each of ``SCRIPTS``."""
DASHBOARD = "ui"
"""The name under which the dashboard lies, where there is one; no id is like it."""
GONE = Answer(499, [])
"""For a client that has left: nobody reads it."""


class Face:
    """One ``Tasks`` as HTTP. ``view`` makes of scope and receive what ``authorize`` sees as the request."""

    def __init__(
        self, tasks: Tasks, authorize: Authorize | None, owner: Owner | None, errors: str, public_cache: bool,
        view: Callable[[Scope, Receive], Any] = Request, let_through: tuple[type[Exception], ...] = (),
    ) -> None:  # fmt: skip
        if not isinstance(tasks, Tasks):
            raise BadInput(f"{tasks!r} is no Tasks. Give the object that was made by Tasks(url).")
        for what, given in {"owner": owner, "authorize": authorize}.items():
            if given is not None and not callable(given):
                raise BadInput(f"{what}={given!r} cannot be called. Give a function of the request, or leave it out.")
        if errors not in ("all", "public"):
            raise BadInput(f'errors={errors!r} is unknown. Use "all", or "public": only messages of PublicError pass.')
        self.tasks = tasks
        self.public = errors == "public"
        self._authorize = authorize
        self._owner = owner
        checked = authorize is not None or owner is not None
        self._cache = wire.cached(public=public_cache, vary=checked and not public_cache)
        self._view = view
        self._let_through = let_through
        self._opened = False
        self._operations: dict[str, Operation] = {
            "show": self._show, "cancel": self._cancel, "retry": self._retry, "script": self._script,
            "events": self._events, "fragment": self._fragment,
        }  # fmt: skip
        self._newest: tuple[Snapshot | None, bytes] = (None, b"")

    async def answer(self, operation: str, scope: Scope, receive: Receive, task_id: str = "") -> Answer | Stream:
        """Do one operation; whatever goes wrong is a problem document."""
        try:
            return await self._operations[operation](scope, receive, task_id)
        except SettledError as error:
            return problem_of(error)
        except self._let_through:
            raise
        except Exception:
            log.exception("A request for a task could not be answered")
            return problems.problem_of(SettledError())

    # -- the operations

    async def _show(self, scope: Scope, receive: Receive, task_id: str) -> Answer | Stream:
        row = await self._find(scope, receive, task_id)
        known = prefer = None
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                known = value
            elif name == b"prefer":
                prefer = value if prefer is None else prefer + b"," + value
            elif name == b"accept" and b"text/event-stream" in value and not row.settled and scope["method"] == "GET":
                return self._stream(scope, row)
        tag = wire.etag_of(row)
        wait = None if prefer is None else wire.wait_of(prefer)
        if wait and not row.settled and (known is None or wire.matches(known, tag)):
            newest = await unless_gone(receive, self.tasks.changed(row.id, wait, row))
            if newest is None:
                return GONE
            row, tag = newest, wire.etag_of(newest)
        if known is not None and wire.matches(known, tag):
            answer = wire.unchanged(row, tag, self._cache)
        else:
            answer = wire.polled(row, tag, self._cache, public=self.public)
        if wait is not None:
            answer.headers.append((b"preference-applied", b"wait=%d" % wait))
        return answer

    async def _events(self, scope: Scope, receive: Receive, task_id: str) -> Answer | Stream:
        row = await self._find(scope, receive, task_id)
        last = _header(scope, b"last-event-id")
        if row.settled and last is not None and wire.matches(last, wire.etag_of(row)):
            return Answer(204, [wire.NO_STORE])  # which ends a native EventSource for good
        return self._stream(scope, row)

    def _stream(self, scope: Scope, row: Snapshot) -> Stream:
        known = _header(scope, b"last-event-id") or _header(scope, b"if-none-match")
        return Stream(self.tasks, row.id, known, self._event)

    def _event(self, row: Snapshot) -> bytes:
        """The event of a snapshot; made once for all who are told the same at the same instant."""
        if self._newest[0] is not row:
            self._newest = row, wire.event_of(row, public=self.public)
        return self._newest[1]

    async def _fragment(self, scope: Scope, receive: Receive, task_id: str) -> Answer:
        try:
            row = await self._find(scope, receive, task_id)
        except LedgerUnavailable:
            return Answer(204, [wire.NO_STORE])  # htmx leaves all as it is, and asks again
        except SettledError as error:
            return fragment.of_problem(problem_of(error).status)
        except self._let_through as error:
            return fragment.of_problem(getattr(error, "status_code", 500))
        return fragment.of_task(row, quote(full_path(scope)), public=self.public)

    async def _cancel(self, scope: Scope, receive: Receive, task_id: str) -> Answer:
        not_across_sites(scope)
        row = await self._find(scope, receive, task_id)
        return wire.changed(await self.tasks.acancel(row.id), public=self.public)

    async def _retry(self, scope: Scope, receive: Receive, task_id: str) -> Answer:
        not_across_sites(scope)
        row = await self._find(scope, receive, task_id)
        task = await self.tasks.aretry(row.id)
        above = full_path(scope).rpartition("/")[0].rpartition("/")[0]
        return wire.changed(task.snapshot, public=self.public, location=quote(f"{above}/{task.id}"))

    async def _script(self, scope: Scope, receive: Receive, task_id: str) -> Answer:
        text, tag = self._files[full_path(scope).rpartition("/")[2]]
        headers = [(b"etag", tag), (b"cache-control", b"public, max-age=3600"), (b"x-content-type-options", b"nosniff")]
        known = next((value for name, value in scope["headers"] if name == b"if-none-match"), None)
        if known is not None and wire.matches(known, tag):
            return Answer(304, headers)
        kind = (b"content-type", b"text/javascript; charset=utf-8")
        return Answer(200, [kind, (b"content-length", b"%d" % len(text)), *headers], text)

    # -- the inside

    async def _find(self, scope: Scope, receive: Receive, task_id: str) -> Snapshot:
        """The task, if there is one and the asker may see it."""
        await self._ready(task_id)
        row = await self.tasks.aget(task_id)
        if not await self._may_see(scope, receive, row):
            raise TaskNotFound("Not for this asker.")
        return row

    async def _ready(self, task_id: str) -> None:
        if not task_id.isascii():
            raise BadTaskId("An id is ASCII.")
        if not self._opened:  # the first time it connects and migrates: not on the event loop
            await asyncio.to_thread(getattr, self.tasks, "ledger")
            self._opened = True

    async def _may_see(self, scope: Scope, receive: Receive, row: Snapshot) -> bool:
        """Whether the asker owns the task, or ``authorize`` lets them in; without either, only nobody's is for all."""
        if self._owner is not None:
            asker = self._owner(self._view(scope, receive))
            asker = await asker if inspect.isawaitable(asker) else asker
            if asker is not None and asker == row.owner:
                return True
        if self._authorize is not None:
            allowed = self._authorize(self._view(scope, receive), row)
            return bool(await allowed if inspect.isawaitable(allowed) else allowed)
        if row.owner is not None and self._owner is None:
            log.warning("Task %s has an owner, so nobody may see it: give owner= or authorize= to its router", row.id)
        return row.owner is None and self._owner is None

    @cached_property
    def _files(self) -> Mapping[str, tuple[bytes, bytes]]:
        texts = {name: files("settled.web").joinpath(f"static/{name}").read_bytes() for name in SCRIPTS}
        return {name: (text, b'"%s"' % hashlib.sha256(text).hexdigest()[:16].encode()) for name, text in texts.items()}


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def problem_of(error: SettledError) -> Answer:
    """The problem document of an error; what is the app's own fault is logged, for the document does not tell it."""
    answer = problems.problem_of(error)
    if answer.status == 500:
        log.error("A request could not be answered", exc_info=error)
    return answer


def not_offered(method: str, offered: Mapping[str, str]) -> Answer:
    """What a method gets that no operation is for: OPTIONS is told the methods, any other is refused with 405."""
    allow = (b"allow", ", ".join([*offered, "OPTIONS"]).encode())
    if method == "OPTIONS":
        return Answer(204, [allow])
    return problems.problem(
        405, "method-not-allowed", "Method not allowed", f"Use {' or '.join(offered)} here.", [allow]
    )


def full_path(scope: Scope) -> str:
    """The path with every prefix in front of this app, as the client has it."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    return str(path if below(root, path) is not None else root + path)


def dashboard_root(scope: Scope) -> str | None:
    """Where the dashboard is, as the client has it, if that is what the path of a mounted face asks for."""
    path, root = full_path(scope), scope.get("root_path", "").rstrip("/")
    rest = path[len(root) :]
    return f"{root}/{DASHBOARD}" if below(f"/{DASHBOARD}", rest) is not None else None


def below(root: str, path: str) -> str | None:
    """The rest of ``path`` below ``root``; None if it does not lie there."""
    rest = path[len(root) :]
    return rest if path.startswith(root) and rest[:1] in ("", "/") else None


async def unless_gone(receive: Receive, waiting: Coroutine[Any, Any, T]) -> T | None:
    """What is waited for, or None as soon as the client has left; nothing goes on behind it."""
    both = asyncio.ensure_future(waiting), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return both[0].result() if both[0].done() else None
    finally:
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # a body, which nobody asked for


def not_across_sites(scope: Scope) -> None:
    """Refuse what a browser says comes from a page of another site: a person's cookie must not cancel for it."""
    if across_sites(scope):
        raise CrossSite("A page of another site may not change a task.")


def across_sites(scope: Scope) -> bool:
    """Whether a browser says that the request comes from a page of another site."""
    return any(name == b"sec-fetch-site" and value == b"cross-site" for name, value in scope["headers"])
