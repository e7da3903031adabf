"""The ledger of a stage: made for it, taken away from its processes when a fault asks, and removed in the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from settled.errors import BadInput
from settled.stores import sqlite_open
from settled.testing.proxy import Proxy

_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


class Ground(Protocol):
    """Where a stage's tasks are."""

    url: str
    """For the stage and for the processes on it."""

    def take_away(self) -> None:
        """Return when nobody who goes by the URL can write any more."""

    def give_back(self) -> None:
        """Let them write again; harmless if they can."""

    def is_locked(self) -> bool:
        """Whether one process keeps the others from writing."""

    def close(self) -> None:
        """Remove it; nobody may have it open."""


def ground_of(url: str, folder: Path) -> Ground:
    """A SQLite file in the folder, or a new schema in the PostgreSQL database that a URL names."""
    if not url:
        return _File(folder)
    if url.startswith("postgresql://"):
        return _Schema(url)
    raise BadInput(f"A stage makes a ledger of its own: give postgresql://user@host/database, or nothing. Not {url!r}.")


class _File:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "tasks.db"
        self.url = f"sqlite:///{self._path}"
        self._locker: subprocess.Popen[bytes] | None = None

    def take_away(self) -> None:
        self.give_back()
        self._locker = subprocess.Popen(
            [sys.executable, "-c", _LOCK, str(self._path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._locker.stdout is not None
        self._locker.stdout.readline()  # it waits for the lock no longer than 30 s

    def give_back(self) -> None:
        locker, self._locker = self._locker, None
        if locker is not None:
            locker.communicate(timeout=30)

    def is_locked(self) -> bool:
        return sqlite_open.is_locked(self._path)

    def close(self) -> None:
        self.give_back()  # the folder is the test's, and is removed with it


class _Schema:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        schema = urlencode({"schema": f"settled_stage_{os.urandom(6).hex()}"})
        query = f"{parts.query}&{schema}" if parts.query else schema
        self._direct = parts._replace(query=query).geturl()
        self._proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)
        user, at, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(query=query, netloc=f"{user}{at}127.0.0.1:{self._proxy.port}").geturl()

    def take_away(self) -> None:
        self._proxy.cut()

    def give_back(self) -> None:
        self._proxy.mend()

    def is_locked(self) -> bool:
        return False  # a commit is one message to the server

    def close(self) -> None:
        from settled.stores.postgres_open import drop  # its driver is an extra

        self._proxy.close()
        drop(self._direct)
