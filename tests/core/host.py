"""A make-believe machine: one ledger file, one clock that stands still until moved, and what is wrong just now."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from settled.clock import ManualClock
from settled.errors import LedgerFull, SettledError
from settled.ledger import Ledger
from settled.records import Snapshot
from settled.stores.base import Change, Written
from settled.stores.postgres import PostgresStore
from settled.stores.sqlite import SQLiteStore
from tests.postgres import ground
from tests.stores.making import new_task


class Host:
    """Several ledgers on one file are several processes of it; or on one schema of PostgreSQL."""

    def __init__(self, folder: Path, kind: str = "sqlite") -> None:
        self.path = folder / "ledger.db"
        self.ground = ground.take() if kind == "postgres" else None
        self.clock = ManualClock() if self.ground is None else self.ground.clock
        self.dead: set[str] = set()
        """Workers whose process has died, as the kernel would tell."""
        self.trouble: SettledError | None = None
        """What every write fails with."""
        self.unreadable: SettledError | None = None
        """What every read fails with."""
        self.commits = 0
        self._ledgers: list[Ledger] = []

    def store(self) -> HostStore | PostgresHostStore:
        return HostStore(self) if self.ground is None else PostgresHostStore(self)

    def ledger(self, *, worker: bool = False, names: list[str] | None = None, **options: Any) -> Ledger:
        """One more process; as a worker it is enlisted for ``work``."""
        ledger = Ledger(self.store(), lease=options.pop("lease", 5.0), **options)
        ledger.open()
        self._ledgers.append(ledger)
        if worker:
            ledger.membership.enlist(["work"] if names is None else names)
        return ledger

    def advance(self, seconds: float) -> None:
        (self.ground or self.clock).advance(seconds)

    def until(self, instant_ms: int, now: int) -> None:
        self.advance((instant_ms - now) / 1000)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as a program does that knows nothing of settled."""
        if self.ground is not None:
            return self.ground.sql(statement)
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=5)) as connection:
            return connection.execute(statement).fetchall()

    def fill_disk(self) -> None:
        """Every write fails at once, reads go on."""
        self.trouble = LedgerFull("The disk is full.")

    def close(self) -> None:
        self.trouble = self.unreadable = None
        for ledger in self._ledgers:
            ledger.close()
        if self.ground is not None:
            ground.give_back(self.ground)


class HostStore(SQLiteStore):
    """SQLite on such a machine."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.path, host.clock)
        self._host = host

    def write(self, changes: Sequence[Change]) -> Written:
        if self._host.trouble is not None:
            raise self._host.trouble
        written = super().write(changes)
        self._host.commits += 1
        return written

    def _query(self, sql: str, values: Any = ()) -> list[Any]:
        if self._host.unreadable is not None:
            raise self._host.unreadable
        return super()._query(sql, values)

    def hold(self, worker: str) -> None:
        pass

    def release(self, worker: str) -> None:
        pass

    def gone(self, worker: str) -> bool:
        return worker in self._host.dead


class PostgresHostStore(PostgresStore):
    """PostgreSQL, seen from such a machine."""

    def __init__(self, host: Host) -> None:
        assert host.ground is not None
        super().__init__(host.ground.url, host.clock)
        self._host = host

    def write(self, changes: Sequence[Change]) -> Written:
        if self._host.trouble is not None:
            raise self._host.trouble
        written = super().write(changes)
        self._host.commits += 1
        return written

    def _query(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        if self._host.unreadable is not None:
            raise self._host.unreadable
        return super()._query(statement, **values)

    def hold(self, worker: str) -> None:
        pass

    def release(self, worker: str) -> None:
        pass

    def gone(self, worker: str) -> bool:
        return worker in self._host.dead


def submitted(ledger: Ledger, **changes: Any) -> Snapshot:
    """A task that waits to be picked up."""
    return ledger.add(new_task(**changes))[0]


def started(ledger: Ledger, **changes: Any) -> Snapshot:
    """A task whose first attempt this worker runs."""
    return ledger.add(new_task(worker=ledger.worker, **changes))[0]
