"""A real ledger in a folder of its own, which is the working folder, and the command as it is called."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from settled.cli import main
from settled.ledger import Ledger
from settled.records import Snapshot
from settled.states import Reason
from settled.stores.sqlite import SQLiteStore
from tests.stores.making import failure, new_task, success


class Said(NamedTuple):
    """What one call of the command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Home:
    """A ledger with a worker, and hands to bring its tasks into every state."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = Ledger(SQLiteStore(path), lease=30)
        self.ledger.open()
        self.ledger.membership.enlist(["work"])

    def pending(self, **changes: Any) -> Snapshot:
        return self.ledger.add(new_task(**changes))[0]

    def running(self, **changes: Any) -> Snapshot:
        return self.ledger.add(new_task(worker=self.ledger.worker, **changes))[0]

    def completed(self, result: str = '"done"', **changes: Any) -> Snapshot:
        row = self.running(**changes)
        assert self.ledger.settle_now(success(row, result))
        return self.ledger.get(row.id)

    def failed(self, message: str = "It broke.", reason: Reason = Reason.EXCEPTION, **changes: Any) -> Snapshot:
        more = {key: changes.pop(key) for key in ("error_type", "traceback") if key in changes}
        row = self.running(**changes)
        assert self.ledger.settle_now(failure(row, reason, message, **more))
        return self.ledger.get(row.id)

    def overdue(self, count: int = 1) -> list[str]:
        """Rows past their bound by a minute, written by hand as an application of the bare pattern would."""
        past = self.ledger.store.now() - 60_000
        ids = [f"00000000-0000-7000-8000-{number:012d}" for number in range(count)]
        self.sql(
            "INSERT INTO task_results (id, name, created_at, due_at, deadline_at, settles_at) "
            "VALUES (?, 'work', ?, ?, ?, ?)",
            *[(task_id, past - 1, past - 1, past, past) for task_id in ids],
        )
        return ids

    def sql(self, statement: str, *rows: tuple[Any, ...]) -> None:
        """Write past the ledger."""
        connection = sqlite3.connect(self.path)
        with connection:
            connection.executemany(statement, rows) if rows else connection.execute(statement)
        connection.close()

    def close(self) -> None:
        self.ledger.close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with no terminal and no settings of whoever runs the tests."""
    for name in ("SETTLED_LEDGER", "COLUMNS", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "tasks.db")
    yield made
    made.close()


@pytest.fixture
def settled(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Call the command in this process."""

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        status = main(arguments)
        return Said(int(status), *capsys.readouterr())

    return call
