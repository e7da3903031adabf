"""The usual commit on SQLite is one statement; whatever is amiss is found by it, and then looked at row by row."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest

from settled.records import Snapshot
from settled.states import Status
from settled.stores.sqlite import SQLiteStore
from tests.stores.making import failure, new_task, success, worker_row
from tests.stores.worlds import SQLiteWorld, write


class Watched:
    """A store and the statements that its writer runs."""

    def __init__(self, store: SQLiteStore) -> None:
        self.store = store
        self.statements: list[str] = []
        write(store, "enlist", worker_row("w1"))
        assert store._writer is not None
        store._writer.set_trace_callback(lambda text: self.statements.append(text.split()[0]))

    def write(self, verb: str, *rows: Any) -> tuple[list[Any], list[str]]:
        """The results, and the first word of each statement; a trigger's part of one is told as that one again."""
        self.statements.clear()
        found = write(self.store, verb, *rows)
        return found, [word for word, _ in groupby(self.statements) if word != "--"]

    def running(self, count: int) -> list[Snapshot]:
        return [row for row, _ in self.write("insert", *[new_task(worker="w1")] * count)[0]]

    def stand(self, rows: list[Snapshot]) -> list[Status]:
        return [self.store.read([row.id])[0].status for row in rows]


@pytest.fixture
def watched(sqlite: SQLiteWorld) -> Watched:
    return Watched(sqlite.open())


@pytest.mark.parametrize("count", [1, 2, 9, 100, 1_000])
def test_many_inserts_or_verdicts_of_one_kind_are_one_statement(watched: Watched, count: int) -> None:
    made, statements = watched.write("insert", *[new_task(worker="w1")] * count)
    assert statements == ["INSERT"]
    rows = [row for row, _ in made]
    assert set(watched.stand(rows)) == {Status.RUNNING}
    assert watched.store.counts() == {("running", None): count}  # and no row of the padding
    done, statements = watched.write("settle", *[success(row) for row in rows[1:]], success(rows[0]))
    assert (done, statements) == ([True] * count, ["UPDATE"])
    assert [row.result_data for row in watched.store.read([row.id for row in rows])] == ['"done"'] * count


def test_failures_are_one_statement_too(watched: Watched) -> None:
    rows = watched.running(3)
    done, statements = watched.write("settle", *[failure(row) for row in rows])
    assert (done, statements) == ([True] * 3, ["UPDATE"])


def test_one_verdict_that_is_late_leaves_the_others_to_be_judged_for_themselves(watched: Watched) -> None:
    rows = watched.running(3)
    watched.write("settle", failure(rows[1]))
    done, statements = watched.write("settle", *[success(row) for row in rows])
    assert done == [True, False, True]
    assert statements.count("COMMIT") == 1
    assert watched.stand(rows) == [Status.COMPLETED, Status.FAILED, Status.COMPLETED]
    assert watched.store.pulse().refused == 1


def test_a_success_near_its_bound_is_not_written_before_the_clock_is_looked_at_again(
    sqlite: SQLiteWorld, watched: Watched
) -> None:
    row = watched.running(1)[0]
    sqlite.advance((row.settles_at - watched.store.now() - 1) / 1000)
    done, statements = watched.write("settle", success(row))
    assert done == [True]
    assert statements[-1] == "COMMIT"


def test_a_task_for_a_worker_that_is_lost_is_born_pending(watched: Watched) -> None:
    made, statements = watched.write("insert", *[new_task(worker="gone")] * 2)
    assert [row.status for row, _ in made] == [Status.PENDING] * 2
    assert statements[-1] == "COMMIT"


def test_a_clock_that_was_set_under_an_open_store_is_read_anew(sqlite: SQLiteWorld, watched: Watched) -> None:
    row = watched.running(1)[0]
    sqlite.sql("UPDATE task_ledger SET anchor_wall = anchor_wall + 60000")
    (late, _), statements = watched.write("insert", new_task())[0][0], watched.statements
    assert late.created_at == row.created_at + 60_000
    assert "COMMIT" in statements
    sqlite.sql(f"UPDATE task_ledger SET anchor_wall = anchor_wall + {row.settles_at}")
    assert watched.write("settle", success(row))[0] == [False]
