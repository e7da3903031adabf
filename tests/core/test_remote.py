"""``settled.wait(url)``: over real HTTP, from good and bad servers; it always ends."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import settled
from settled import End
from tests.ports import port_without_a_server

OPEN = {"settled": False, "status": "running", "settles_in": 60, "retry_after": 0.5}
DONE = {
    "id": "0193", "name": "add", "settled": True, "status": "completed", "result": {"a": 1}, "settles_in": 0,
    "created_at": "2026-11-23T16:16:52.030Z", "settles_at": "2026-11-23T16:29:53.030Z", "attempt": 1, "max_attempts": 2,
}  # fmt: skip
Answer = Callable[["Handler", int], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append(self)
        server.answer(self, len(server.asked))

    def tell(self, body: Any, status: int = 200, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Handler] = []
        self.answer: Answer = lambda handler, n: handler.tell(DONE)
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/tasks/0193"

    def handle_error(self, *args: Any) -> None:
        pass  # a client that hangs up, on purpose


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


def on_a_loop(url: str, timeout: float | None = None, **options: Any) -> settled.Ending:
    return asyncio.run(settled.await_(url, timeout, **options))


drivers = pytest.mark.parametrize("wait", [settled.wait, on_a_loop], ids=["thread", "loop"])


@drivers
def test_a_result_is_got_and_what_crossed_the_wire_is_in_the_snapshot(wait: Any, server: Server) -> None:
    ending = wait(server.url)
    assert (ending.end, ending.result, ending.unwrap()) == (End.COMPLETED, {"a": 1}, {"a": 1})
    assert (ending.snapshot.id, ending.snapshot.name, ending.snapshot.max_attempts) == ("0193", "add", 2)
    assert ending.snapshot.created_at == 1_795_450_612_030


@drivers
def test_the_second_look_is_held_and_says_what_is_known(wait: Any, server: Server) -> None:
    server.answer = lambda handler, n: handler.tell(OPEN, ETag='"x"') if n == 1 else handler.tell(DONE)
    assert wait(server.url, headers={"Authorization": "Bearer me"}).completed
    first, second = (handler.headers for handler in server.asked)
    assert (first["Prefer"], first["Authorization"]) == (None, "Bearer me")
    assert (second["Prefer"], second["If-None-Match"], second["Authorization"]) == ("wait=20", '"x"', "Bearer me")


def test_an_answer_that_is_not_modified_is_a_good_one(server: Server) -> None:
    def answer(handler: Handler, n: int) -> None:
        if n == 2:
            handler.send_response(304)
            handler.end_headers()
        else:
            handler.tell(OPEN if n == 1 else DONE)

    server.answer = answer
    assert settled.wait(server.url).completed
    assert len(server.asked) == 3


def test_a_failure_says_why(server: Server) -> None:
    error = {"reason": "timeout", "message": "too long", "type": None}
    server.answer = lambda handler, n: handler.tell({"settled": True, "status": "failed", "error": error})
    ending = settled.wait(server.url)
    assert (ending.end, ending.reason, ending.message) == (End.FAILED, "timeout", "too long")


@pytest.mark.parametrize(
    ("place", "end"), [("/login?next=/tasks/0193", End.DENIED), ("http://sso.invalid/", End.DENIED)]
)
def test_a_redirect_to_another_page_is_denied(server: Server, place: str, end: End) -> None:
    server.answer = lambda handler, n: handler.tell(b"", 302, Location=place)
    assert settled.wait(server.url).end is end
    assert len(server.asked) == 1


def test_a_redirect_to_the_same_place_is_followed_a_few_times(server: Server) -> None:
    server.answer = lambda handler, n: handler.tell(b"", 307, Location="/tasks/0193/") if n == 1 else handler.tell(DONE)
    assert settled.wait(server.url).completed
    server.answer = lambda handler, n: handler.tell(b"", 307, Location="/tasks/0193/")
    assert settled.wait(server.url).end is End.DENIED


@drivers
def test_a_server_that_hangs_is_given_up_on(wait: Any, server: Server) -> None:
    server.answer = lambda handler, n: server.over.wait(60) and None
    ending = wait(server.url, grace=0, patience=0.2)
    assert ending.end is End.UNREACHABLE
    assert "has not answered ever" in ending.message


@pytest.mark.parametrize("connection", ["keep-alive", "close"])  # with the last one http.client lets go of its socket
def test_a_body_that_trickles_is_given_up_on(server: Server, connection: str) -> None:
    def trickle(handler: Handler, n: int) -> None:
        handler.send_response(200)
        handler.send_header("Connection", connection)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not server.over.wait(0.05):
            handler.wfile.write(b" ")

    server.answer = trickle
    assert settled.wait(server.url, grace=0, patience=0.2).end is End.UNREACHABLE


def test_nobody_there_ends_as_unreachable() -> None:
    with port_without_a_server() as port:
        ending = settled.wait(f"http://127.0.0.1:{port}/tasks/0193", grace=0, patience=0.2)
    assert ending.end is End.UNREACHABLE
    assert "refused" in ending.message


@pytest.mark.parametrize("url", ["", "tasks/1", "ftp://x/y", "http://"])
def test_what_is_no_address_is_unknown(url: str) -> None:
    assert settled.wait(url).end is End.UNKNOWN


@drivers
def test_who_has_no_time_stops_in_time(wait: Any, server: Server) -> None:
    server.answer = lambda handler, n: handler.tell({**OPEN, "settles_in": 600})
    assert wait(server.url, 0).end is End.ABORTED


def test_a_wait_that_is_cancelled_drops_its_request(server: Server) -> None:
    asked, dropped = threading.Event(), threading.Event()

    def hold(handler: Handler, n: int) -> None:
        asked.set()
        handler.connection.settimeout(30)
        try:
            if handler.connection.recv(1) == b"":
                dropped.set()
        except OSError:
            dropped.set()

    async def cancelled() -> None:
        task = asyncio.create_task(settled.await_(server.url))
        await asyncio.to_thread(asked.wait, 20)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    server.answer = hold
    asyncio.run(cancelled())
    assert dropped.wait(20)


def test_a_name_that_nobody_has_is_trouble() -> None:
    with socket.socket():
        assert settled.wait("http://nobody.invalid/tasks/1", grace=0, patience=0.1).end is End.UNREACHABLE
