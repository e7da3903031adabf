"""A real server in a process of its own: sub-paths, a long poll, a client that hangs up, the end of the server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.web.world import BOUND

pytestmark = [pytest.mark.anyio, pytest.mark.crash]


class Server:
    """One uvicorn process, and its address."""

    def __init__(self, folder: Path) -> None:
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "uvicorn",
                "tests.web.served:app",
                "--fd",
                str(self._sock.fileno()),
                "--no-access-log",
            ],
            env={**os.environ, "TESTED_LEDGER": f"sqlite:///{folder / 'served.db'}"},
            cwd=Path(__file__).parents[2],
            pass_fds=[self._sock.fileno()],
            stderr=subprocess.PIPE,
        )

    def end(self) -> str:
        """Tell the server to end, and return what it logged."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=BOUND)[1].decode()

    def close(self) -> None:
        """Leave nothing running, whatever has happened."""
        self._sock.close()
        with self.process:
            self.process.kill()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    # The socket listens already, so the first request is answered as soon as the server is up.
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        yield client


async def begin(client: httpx.AsyncClient) -> str:
    answer = await client.post("/deep/begin")
    location = answer.headers["location"]
    assert location == f"/deep/tasks/{answer.json()['id']}"
    first = await client.get(location)  # not with a wait: the next change, if it has begun already, is its end
    while first.json()["progress"] is None:
        first = await client.get(location, headers={"Prefer": "wait=20", "If-None-Match": first.headers["etag"]})
    assert first.json()["progress"]["message"] == "waiting"
    return str(location)


async def listening(client: httpx.AsyncClient, is_so: bool) -> None:
    """Wait until somebody waits in the server, or nobody does any more."""
    with anyio.fail_after(BOUND):
        while bool((await client.get("/deep/listening")).json()) is not is_so:
            continue


async def test_a_long_poll_under_a_sub_path_is_answered_by_the_end(server: Server, client: httpx.AsyncClient) -> None:
    location = await begin(client)
    answers: dict[str, httpx.Response] = {}

    async def poll(path: str) -> None:
        answers[path] = await client.get(path, headers={"Prefer": "wait=30"})

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as polls:
            polls.start_soon(poll, location)
            polls.start_soon(poll, location.replace("/tasks/", "/bare/"))
            await listening(client, True)
            await client.post("/deep/go")
    assert [answer.json()["result"] for answer in answers.values()] == ["went", "went"]
    assert server.end().count("Traceback") == 0


async def test_a_client_that_hangs_up_is_forgotten_at_once(server: Server, client: httpx.AsyncClient) -> None:
    location = await begin(client)
    with socket.create_connection(("127.0.0.1", server.port), timeout=BOUND) as caller:
        caller.sendall(f"GET {location} HTTP/1.1\r\nHost: x\r\nPrefer: wait=30\r\n\r\n".encode())
        await listening(client, True)
    await listening(client, False)
    await client.post("/deep/go")
    assert server.end().count("Traceback") == 0


async def test_a_server_that_is_told_to_end_keeps_nobody_waiting(server: Server, client: httpx.AsyncClient) -> None:
    location = await begin(client)
    answers: list[httpx.Response] = []

    async def poll() -> None:
        answers.append(await client.get(location, headers={"Prefer": "wait=30"}))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as polls:
            polls.start_soon(poll)
            await listening(client, True)
            server.process.send_signal(signal.SIGTERM)
    assert (answers[0].status_code, answers[0].json()["settled"]) == (200, False)
    assert server.end().count("Traceback") == 0


async def stream(client: httpx.AsyncClient, path: str, begun: anyio.Event, told: list[dict[str, Any]]) -> None:
    """Read a stream to its end."""
    async with client.stream("GET", path) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: ")))
                begun.set()


async def test_a_stream_under_a_sub_path_tells_the_end(server: Server, client: httpx.AsyncClient) -> None:
    location = await begin(client)
    paths = [f"{location}/events", f"{location}/events".replace("/tasks/", "/bare/")]
    begun = [anyio.Event(), anyio.Event()]
    told: list[list[dict[str, Any]]] = [[], []]
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as streams:
            for path, one, heard in zip(paths, begun, told, strict=True):
                streams.start_soon(stream, client, path, one, heard)
                await one.wait()
            await client.post("/deep/go")
    assert [heard[-1]["result"] for heard in told] == ["went", "went"]
    assert server.end().count("Traceback") == 0


async def test_a_stream_whose_client_hangs_up_is_forgotten_at_once(server: Server, client: httpx.AsyncClient) -> None:
    location = await begin(client)
    with socket.create_connection(("127.0.0.1", server.port), timeout=BOUND) as caller:
        caller.sendall(f"GET {location}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await listening(client, True)
    await listening(client, False)
    await client.post("/deep/go")
    assert server.end().count("Traceback") == 0


async def test_a_server_that_is_told_to_end_ends_a_hundred_streams(server: Server, client: httpx.AsyncClient) -> None:
    location = await begin(client)
    begun = [anyio.Event() for _ in range(100)]
    told: list[dict[str, Any]] = []
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=client.base_url, timeout=60, limits=limits) as many:
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as streams:
                for one in begun:
                    streams.start_soon(stream, many, f"{location}/events", one, told)
                for one in begun:
                    await one.wait()
                server.process.send_signal(signal.SIGTERM)
    assert {event["settled"] for event in told} == {False}
    assert server.end().count("Traceback") == 0
