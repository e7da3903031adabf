"""Where the ledger of an engines' world is: in a file, or in a schema of its own on a shared PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

from tests import servers
from tests.crash.eyes import SQLiteEyes
from tests.postgres.world import PostgresEyes


class FileLedger:
    """A file in a folder that goes with the test."""

    def __init__(self, folder: Path) -> None:
        path = folder / "tasks.db"
        self.url = f"sqlite:///{path}"
        self.eyes = SQLiteEyes(path)

    def close(self) -> None:
        """Its folder goes with the test."""


class PostgresLedger:
    """A schema that is dropped at the end."""

    def __init__(self) -> None:
        self._server = servers.postgres()
        self._schema = f"engines_{os.urandom(6).hex()}"
        self.url = f"{self._server}?schema={self._schema}"
        self.eyes = PostgresEyes(self._server, self._schema)

    def close(self) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {self._schema} CASCADE".encode())
