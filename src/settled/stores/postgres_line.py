"""One connection to PostgreSQL that many threads share, and that is made anew when it was lost."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from settled.errors import LedgerUnavailable

Connection = psycopg.Connection[tuple[Any, ...]]
_lines: weakref.WeakSet[Line]


class Line:
    """Gives its connection to one caller at a time."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = True
        _lines.add(self)

    def open(self) -> None:
        """Allow connecting; the connection is made when it is first used."""
        self._closed = False

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """The connection, for as long as the block lasts; what breaks it lets the next caller make another."""
        with self._lock:
            if self._closed:
                raise LedgerUnavailable("The ledger is closed in this process; open it again to go on.")
            if self._connection is None or self._connection.closed:
                self._connection = None
                self._connection = self._connect()
            yield self._connection

    def is_new(self) -> bool:
        """Whether the next caller has to connect first."""
        connection = self._connection
        return connection is None or connection.closed

    def close(self) -> None:
        """Drop the connection, also under a caller that does not come back from it."""
        self._closed = True
        free = self._lock.acquire(timeout=1.0)
        try:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
        finally:
            if free:
                self._lock.release()

    def disown(self) -> None:
        """In a forked child: let go of the parent's socket without a word, so that the server sees the parent die."""
        connection, self._connection = self._connection, None
        self._lock = threading.Lock()
        self._closed = True
        if connection is not None and not connection.closed:
            nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nothing, connection.fileno(), inheritable=False)
            os.close(nothing)
            _parents.append(connection)


_lines = weakref.WeakSet()
_parents: list[Connection] = []  # a child's copies of its parent's connections: never used, never ended


def _after_fork() -> None:
    for line in list(_lines):
        line.disown()


os.register_at_fork(after_in_child=_after_fork)
