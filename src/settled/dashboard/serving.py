"""Serves the dashboard from this machine to this machine, on nothing but the standard library."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from settled.dashboard.access import Access, why_closed
from settled.dashboard.app import LARGEST_FORM, Dashboard
from settled.web.request import Request, Scope

HOST = "127.0.0.1"
PATIENCE = 30.0
"""Seconds that a browser may take to say what it wants."""


def server_of(dashboard: Dashboard, port: int, let_in: Access) -> ThreadingHTTPServer:
    """A server on this machine’s loopback address alone; call its ``serve_forever``, and ``shutdown`` to end it."""

    class Handler(_Handler):
        app = dashboard
        access = let_in

    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    """One browser's connection."""

    app: Dashboard
    access: Access
    protocol_version = "HTTP/1.1"
    server_version = "settled"
    sys_version = ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Answer with a page."""
        self._answer(b"")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        """Take a form."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_FORM:
            self.close_connection = True
            self.send_error(413)
            return
        self._answer(self.rfile.read(int(length)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: what is done is logged where it is done."""

    def _answer(self, body: bytes) -> None:
        scope = self._scope()
        closed = why_closed(Request(scope))
        if closed is not None:
            self.send_error(403, "Closed", f"This dashboard is for a browser on its own machine: {closed}.")
            return
        answer = self.app.answer(scope, body, self.access)
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name.decode("latin-1"), value.decode("latin-1"))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _scope(self) -> Scope:
        path, _, query = self.path.partition("?")
        headers = [(name.lower().encode("latin-1"), str(value).encode("latin-1", "replace"))
                   for name, value in self.headers.items()]  # fmt: skip
        return {
            "type": "http", "method": self.command, "scheme": "http", "path": unquote(path), "root_path": "",
            "query_string": query.encode("latin-1", "replace"), "headers": headers,
            "http_version": self.request_version.removeprefix("HTTP/"), "client": self.client_address,
        }  # fmt: skip
