"""The dashboard as an ASGI app; every page is made in a thread, so that no event loop waits for a search."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qs, parse_qsl, quote

from settled.dashboard import access, redact
from settled.dashboard.access import Access
from settled.dashboard.html import Part, el
from settled.dashboard.pages.acting import Order, act, confirm
from settled.dashboard.pages.failures import failures
from settled.dashboard.pages.layout import STATIC, frame, static
from settled.dashboard.pages.listing import listing
from settled.dashboard.pages.task import task
from settled.dashboard.pages.workers import workers
from settled.dashboard.redact import Redactor
from settled.dashboard.view import View
from settled.errors import BadInput, BadTaskId, LedgerUnavailable, SettledError, TaskNotFound
from settled.ledger import Ledger
from settled.web.face import full_path
from settled.web.problems import NotSignedIn
from settled.web.request import Receive, Request, Scope, Send
from settled.web.wire import Answer, Headers

log = logging.getLogger("settled.dashboard")

COOKIE = "settled_form"
LARGEST_FORM = 200_000
_SECURITY: Headers = [
    (b"content-security-policy",
     b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
     b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]  # fmt: skip
_PAGES = {"/": listing, "/failures": failures, "/workers": workers}
_ACTS = ("/confirm", "/do")
_TITLES = {
    400: "Unusable request", 401: "Sign in first", 403: "Closed", 404: "Not found", 405: "Not offered here",
    410: "Gone", 413: "Too much", 500: "Something went wrong", 503: "The ledger is away",
}  # fmt: skip


class Source(Protocol):
    """Where the ledger comes from: a ``Tasks``."""

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened."""


class Dashboard:
    """Pages on one ledger, to be mounted anywhere: ``tasks_router(tasks, dashboard=Dashboard(tasks))``.

    access    ``(request) -> None | "read" | "write" | Access(role, who)``, async or quick: who may see it, and who
              may act. Without it, it is open to browsers on this very machine alone, and not through a proxy.
    redact    ``(name, "arguments" | "result", value) -> value``: what is shown of them, after all that is named like
              a password has been hidden
    """

    def __init__(
        self, tasks: Source, *, access: access.Hook | None = None, redact: redact.Hook | None = None
    ) -> None:  # fmt: skip
        self._tasks = tasks
        self._access = access
        self._redactor = Redactor(redact, self._names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        answer = await self._answer(scope, receive)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            let_in = await self._let_in(scope)
        except NotSignedIn as error:
            challenge = [(b"www-authenticate", error.challenge.encode("latin-1", "replace"))] if error.challenge else []
            return _plain(401, str(error), challenge)
        except Exception:
            log.exception("access= failed; the dashboard stays closed")
            return _plain(500, "The application failed to say who may see this; its log says how.")
        if let_in is None:
            return self._closed(scope)
        body = await _body(receive) if scope["method"] == "POST" else b""
        if body is None:
            return _plain(413, "The form is too large.")
        return await asyncio.to_thread(self.answer, scope, body, let_in)

    async def _let_in(self, scope: Scope) -> Access | None:
        request = Request(scope)
        if self._access is None:
            return access.on_this_machine(request)
        said = self._access(request)
        return access.granted(await said if inspect.isawaitable(said) else said, request)

    def _closed(self, scope: Scope) -> Answer:
        if self._access is not None:
            return _plain(403, "You may not see this.")
        log.warning("The dashboard is closed to a request: %s", access.why_closed(Request(scope)))
        return _plain(
            403, "Without access= the dashboard is open to browsers on its own machine alone. The server's log says "
            "what this request was taken for."
        )  # fmt: skip

    # -- from here on in a thread

    def answer(self, scope: Scope, body: bytes, let_in: Access) -> Answer:
        """Answer somebody who has been let in; may take a while."""
        root, path = _place(scope)
        if path == "":
            return _elsewhere(quote(root + "/"))
        if path.startswith("/static/"):
            return _static(path.removeprefix("/static/"), scope)
        request = Request(scope)
        token = request.cookies.get(COOKIE, "")
        fresh = not (20 <= len(token) <= 100 and token.isascii())
        token = secrets.token_urlsafe(24) if fresh else token
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), max_num_fields=100))
        try:
            view = View(root, let_in, token, self._tasks.ledger, self._redactor, path, query)
        except SettledError as error:
            log.error("The ledger cannot be opened: %s", error)
            return _plain(503, "The ledger cannot be opened; the log says why.")
        answer = self._page(view, scope, body, trusted=not fresh)
        if fresh:
            secure = b"; Secure" if scope.get("scheme") == "https" else b""
            cookie = f"{COOKIE}={token}; Path={quote(root) or '/'}; HttpOnly; SameSite=Strict".encode()
            answer.headers.append((b"set-cookie", cookie + secure))
        return answer

    def _page(self, view: View, scope: Scope, body: bytes, *, trusted: bool) -> Answer:
        try:
            if view.path in _ACTS:
                return self._act(view, scope, body, trusted=trusted)
            if scope["method"] not in ("GET", "HEAD"):
                return _sorry(view, 405, "Pages are only read here.", [(b"allow", b"GET, HEAD")])
            made = _PAGES.get(view.path)
            return _html(made(view) if made is not None else task(view, view.path[1:]))
        except (TaskNotFound, BadTaskId) as error:
            return _sorry(view, 410 if error.code == "pruned" else 404, str(error))
        except BadInput as error:
            return _sorry(view, 400, str(error))
        except LedgerUnavailable as error:
            return _away(view, error)
        except Exception:
            log.exception("A page of the dashboard could not be made")
            return _sorry(view, 500, "This page could not be made; the server's log says why.")

    def _act(self, view: View, scope: Scope, body: bytes, *, trusted: bool) -> Answer:
        if scope["method"] != "POST":
            return _elsewhere(view.at("/")) if scope["method"] == "GET" else _sorry(view, 405, "Send a form here.")
        form = _form(body)
        ours = trusted and secrets.compare_digest(form.get("csrf", [""])[-1].encode(), view.token.encode())
        if not (ours and access.same_origin(scope, strictly=self._access is None)):
            log.warning("A form that is not ours was refused, sent by the browser of %s", view.access.who)
            return _sorry(view, 403, "This form did not come from this page, or the page is old. Load it again.")
        if not view.writes:
            return _sorry(view, 403, "You may look, but not act.")
        order = Order.of(form)
        if view.path == "/confirm":
            return _html(confirm(view, order))
        page, address = act(view, order)
        return _elsewhere(address) if address is not None else _html(page)

    def _names(self, name: str) -> list[str]:
        """The parameters of a task function, where it is registered in this process."""
        function: Any = getattr(self._tasks, "functions", {}).get(name)
        try:
            return list(inspect.signature(function).parameters) if function is not None else []
        except (TypeError, ValueError):
            return []


def _place(scope: Scope) -> tuple[str, str]:
    """Where this app lies as the browser has it, and the path below it."""
    root = scope.get("root_path", "").rstrip("/")
    return root, full_path(scope)[len(root) :]


async def _body(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_FORM:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _form(body: bytes) -> Mapping[str, Sequence[str]]:
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=1_000)
    except ValueError:
        raise BadInput("This is no form.") from None


# -- answers


def _html(page: bytes, status: int = 200, more: Headers | None = None) -> Answer:
    headers = [
        (b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(page)),
        (b"cache-control", b"no-store"), *_SECURITY, *(more or []),
    ]  # fmt: skip
    return Answer(status, headers, page)


def _elsewhere(address: str) -> Answer:
    headers = [(b"location", address.encode("latin-1", "replace")), (b"content-length", b"0"), *_SECURITY]
    return Answer(303, [*headers, (b"cache-control", b"no-store")])


def _plain(status: int, text: str, more: Headers | None = None) -> Answer:
    """For who has not been let in: no word of what is inside."""
    body = f"{_TITLES[status]}. {text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"), *_SECURITY, *(more or []),
    ]  # fmt: skip
    return Answer(status, headers, body)


def _sorry(view: View, status: int, text: str, more: Headers | None = None) -> Answer:
    parts: list[Part] = [el("h1", _TITLES[status]), el("p", text, class_="lede")]
    parts.append(el("p", el("a", "All tasks", href=view.at("/"), class_="button")))
    return _html(frame(view, _TITLES[status], parts, live=False), status, more)


def _away(view: View, error: LedgerUnavailable) -> Answer:
    log.warning("The dashboard cannot read the ledger: %s", error)
    return _sorry(view, 503, f"{error} Nothing was half done. Load this page again in a few seconds.")


def _static(name: str, scope: Scope) -> Answer:
    if name not in STATIC:
        return _plain(404, "There is no such file.")
    text, version = static(name)
    current = f"v={version}".encode() in scope.get("query_string", b"")
    kept = b"public, max-age=31536000, immutable" if current else b"no-cache"
    headers = [
        (b"content-type", STATIC[name].encode()), (b"content-length", b"%d" % len(text)), (b"cache-control", kept),
        *_SECURITY,
    ]  # fmt: skip
    return Answer(200, headers, text)
