"""A world whose ledger is a schema on a server of the test's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from settled import doctor
from tests.crash.eyes import Row, Unseen
from tests.crash.processes import until
from tests.crash.world import World
from tests.postgres.server import Server


class PostgresEyes:
    """A schema, seen by way of a socket that no network can cut."""

    def __init__(self, conninfo: str, schema: str) -> None:
        self.conninfo = conninfo
        self._schema = schema

    def table(self, name: str) -> list[Row]:
        return self._query(f"SELECT * FROM {self._schema}.{name}")

    def row(self, task_id: str) -> Row:
        return self._query(f"SELECT * FROM {self._schema}.task_results WHERE id = %s", task_id)[0]

    def locked(self) -> bool:
        return False  # a commit is one message: the server ends it, whatever becomes of who has sent it

    def _query(self, sql: str, *values: str) -> list[Row]:
        try:
            with psycopg.connect(self.conninfo, autocommit=True, connect_timeout=5, row_factory=dict_row) as session:
                return session.execute(sql.encode(), values).fetchall()
        except psycopg.Error as error:
            raise Unseen(str(error)) from error


class ServerWorld(World):
    """A world on PostgreSQL; its test leaves the server running."""

    def __init__(self, folder: Path, record: Callable[[str, str, float], None], server: Server, **options: Any) -> None:
        self.server = server
        self.schema = f"world_{os.urandom(4).hex()}"
        url = self._of_schema(server.local_url)
        self.eyes: PostgresEyes
        super().__init__(folder, record, url, PostgresEyes(server.conninfo(), self.schema), **options)

    def moves_to(self, server: Server) -> None:
        """Look at another server from now on, as after a failover; before the test's own ledger is first used."""
        self.server = server
        self.url = self._of_schema(server.local_url)
        self.eyes.conninfo = server.conninfo()

    def over_the_network(self, port: int | None = None) -> str:
        """The ledger's URL from another machine, or by way of a proxy at another port."""
        return self._of_schema(self.server.url(port))

    def _of_schema(self, url: str) -> str:
        return f"{url}{'&' if '?' in url else '?'}schema={self.schema}"

    def _verify(self) -> None:
        self.ledger.membership.enlist([])  # a lease counts only where others are heard
        until(self._all_are_over, 60, "whoever looks settles what the dead have left")
        super()._verify()
        broken = [finding for finding in doctor.check(self.ledger) if finding.level == "broken"]
        assert not broken, broken

    def _all_are_over(self) -> bool:
        self.ledger.membership.beat()
        self.ledger.expire()
        return all(row["status"] != "running" for row in self.rows().values())
