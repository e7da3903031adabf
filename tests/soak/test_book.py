"""A soak sees every way in which a promise can be broken, and its page says what its file says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench.soak import page, picture
from bench.soak.book import Book
from bench.soak.flat import judged
from settled import End, Ending, Ledger
from settled.clock import ManualClock
from settled.stores.sqlite import SQLiteStore
from tests.stores.making import new_task


class World:
    """A book on a ledger whose clock stands still, and a hand that writes without asking anybody."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "soak.db"
        self.clock = ManualClock()
        self.ledger = Ledger(SQLiteStore(self.path, self.clock))
        self.ledger.open()
        self.book = Book(self.ledger)

    def submitted(self) -> str:
        row, _ = self.ledger.add(new_task())
        self.book.add(row.id)
        return row.id

    def write(self, statement: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(statement)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.ledger.close()


def test_a_task_that_settles_is_counted_and_nothing_is_broken(world: World) -> None:
    task = world.submitted()
    world.ledger.cancel(task)
    world.book.look()
    world.book.ended(task, Ending(End.FAILED, reason=world.ledger.get(task).reason))
    assert world.book.close() == {"rows": 1, "found besides": 0}
    assert (world.book.broken, dict(world.book.outcomes)) == ([], {"cancelled": 1})


def test_to_look_settles_nothing_but_a_late_answer_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task = world.submitted()
    world.clock.advance(10_000)
    monkeypatch.setattr(world.ledger, "get", lambda task_id: world.ledger.store.read([task_id])[0])
    world.book.look()
    assert world.book.broken == [f"{task} (work) was answered pending past its bound"]
    monkeypatch.undo()
    world.book.look()
    world.book.look()
    assert dict(world.book.outcomes) == {"never_started": 1}
    assert world.book.late[0] > 0


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE task_results SET error_message = 'otherwise'", "has changed after it had settled"),
        ("DELETE FROM task_results", "is gone"),
    ],
)
def test_a_settled_task_that_changes_is_seen(world: World, statement: str, said: str) -> None:
    task = world.submitted()
    world.ledger.cancel(task)
    world.book.look()
    world.write(statement)
    world.book.close()
    assert len(world.book.broken) == 1
    assert said in world.book.broken[0]


def test_a_task_left_open_and_a_wait_that_was_told_otherwise_are_seen(world: World) -> None:
    told, left = world.submitted(), world.submitted()
    world.ledger.cancel(told)
    world.book.look()
    world.book.ended(told, Ending(End.COMPLETED))
    world.book.close()
    assert sorted(world.book.broken) == sorted(
        [
            f"{left} (work) is pending at the end",
            f"who waited for {told} was told completed , and it is failed cancelled",
        ]
    )


def test_what_grows_is_not_flat() -> None:
    samples = {
        "steady": [[second, 50.0 + second % 2, 20 + second % 5, 9] for second in range(100)],
        "leaks memory": [[second, 50.0 + second / 10, 20, 9] for second in range(100)],
        "leaks descriptors": [[second, 50.0, 20 + second // 10, 9] for second in range(100)],
    }
    assert {name: flat["flat"] for name, flat in judged(samples).items()} == {
        "steady": True, "leaks memory": False, "leaks descriptors": False,
    }  # fmt: skip


FILES = sorted(page.PAGES.glob("soak-*.json"), reverse=True)


def test_the_page_says_what_the_files_of_its_runs_say() -> None:
    assert FILES
    assert (page.PAGES / "soak.md").read_text("utf-8") == page.page(FILES)
    for file in FILES:
        assert file.with_suffix(".svg").read_text("utf-8") == picture.picture(json.loads(file.read_text("utf-8")))
