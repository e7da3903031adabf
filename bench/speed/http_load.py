"""Drives an HTTP server from one thread with many keep-alive connections, so cheaply that the server is the limit.

A visitor is a generator: it yields the bytes of a request and receives ``(status, body)``, or yields
a number of seconds and is resumed after them. One selector loop carries all visitors; no framework,
no event loop of asyncio, since on a shared machine the client's cost is part of what one measures.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Generator
from typing import NamedTuple

Visitor = Generator[bytes | float, tuple[int, bytes] | None, None]
RECEIVE = 65_536
STUCK_AFTER = 60.0


class Load(NamedTuple):
    """What driving the visitors cost this process: its own processor time over the wall time."""

    wall: float
    client_busy: float


class _Connection:
    """One keep-alive connection and the visitor that uses it."""

    __slots__ = ("address", "buffer", "sock", "visitor")

    def __init__(self, visitor: Visitor, address: tuple[str, int]) -> None:
        self.visitor = visitor
        self.address = address
        self.buffer = b""
        self.sock = self._open()

    def _open(self) -> socket.socket:
        sock = socket.create_connection(self.address, timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def reopen(self, selector: selectors.BaseSelector) -> None:
        """Replace a connection that the server closed."""
        selector.unregister(self.sock)
        self.sock.close()
        self.sock, self.buffer = self._open(), b""
        selector.register(self.sock, selectors.EVENT_READ, self)


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """The bytes of one HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", *headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def drive(address: tuple[str, int], visitors: list[Visitor], seconds: float) -> Load:
    """Run the visitors for ``seconds``, then drop their connections."""
    with selectors.DefaultSelector() as selector:
        timers: list[tuple[float, int, _Connection]] = []
        order = itertools.count()
        connections = [_Connection(visitor, address) for visitor in visitors]
        wall, busy = time.perf_counter(), time.process_time()
        for connection in connections:
            selector.register(connection.sock, selectors.EVENT_READ, connection)
            _go(connection, None, timers, order)
        _loop(selector, timers, order, wall + seconds)
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        for connection in connections:
            connection.sock.close()
    return Load(wall, busy / wall)


def _loop(
    selector: selectors.BaseSelector,
    timers: list[tuple[float, int, _Connection]],
    order: itertools.count[int],
    until: float,
) -> None:
    heard = time.perf_counter()
    while (now := time.perf_counter()) < until:
        if now - heard > STUCK_AFTER:
            raise TimeoutError(f"the server under test has not answered for {STUCK_AFTER:.0f} s")
        while timers and timers[0][0] <= now:
            _go(heapq.heappop(timers)[2], None, timers, order)
        pause = min(until, timers[0][0]) - now if timers else until - now
        for key, _ in selector.select(max(0.0, pause)):
            heard = now
            _receive(key.data, selector, timers, order)


def _receive(
    connection: _Connection,
    selector: selectors.BaseSelector,
    timers: list[tuple[float, int, _Connection]],
    order: itertools.count[int],
) -> None:
    try:
        data = connection.sock.recv(RECEIVE)
    except ConnectionError:
        data = b""
    if not data:
        connection.reopen(selector)
        _go(connection, (599, b""), timers, order)
        return
    answer = _parse(connection.buffer + data)
    if answer is None:
        connection.buffer += data
    else:
        connection.buffer = b""
        _go(connection, answer, timers, order)


def _parse(data: bytes) -> tuple[int, bytes] | None:
    """The status and body of a whole response, ``None`` while a part is missing."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    at = data.find(b"ontent-")  # Content-Length or content-length; Content-Type comes first in some servers
    while at >= 0 and data[at + 7 : at + 14].lower() != b"length:":
        at = data.find(b"ontent-", at + 7, end)
    length = int(data[at + 14 : data.index(b"\r", at)]) if 0 <= at < end else 0
    body = data[end + 4 :]
    return (int(data[9:12]), body) if len(body) >= length else None


def _go(
    connection: _Connection,
    answer: tuple[int, bytes] | None,
    timers: list[tuple[float, int, _Connection]],
    order: itertools.count[int],
) -> None:
    try:
        wish = connection.visitor.send(answer)
    except StopIteration:
        return
    if isinstance(wish, bytes):
        connection.sock.sendall(wish)
    else:
        heapq.heappush(timers, (time.perf_counter() + wish, next(order), connection))
