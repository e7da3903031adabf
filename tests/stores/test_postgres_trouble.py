"""What only a database over a network can do wrong: it goes away, holds locks, and is slow to commit."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from settled.errors import LedgerUnavailable
from settled.ledger import Ledger
from settled.states import Status
from settled.stores.base import Change
from settled.stores.postgres import PostgresStore
from tests.stores.making import new_task, success, worker_row
from tests.stores.worlds import PostgresWorld, until, write

WAITS = """
SELECT 1 FROM pg_locks w JOIN pg_locks t USING (pid)
WHERE NOT w.granted AND w.locktype = 'transactionid'
  AND t.relation = 'task_results'::regclass AND t.mode = 'RowExclusiveLock'
"""
"""Whether somebody who has written tasks of this schema waits for a row; other tests share the server."""


@pytest.fixture
def postgres() -> Iterator[PostgresWorld]:
    made = PostgresWorld()
    yield made
    made.close()


@pytest.fixture
def store(postgres: PostgresWorld) -> PostgresStore:
    made = postgres.open()
    write(made, "enlist", worker_row("w"))
    return made


def another_program(postgres: PostgresWorld) -> psycopg.Connection:
    return psycopg.connect(postgres.ground.server, options=f"-c search_path={postgres.ground.schema}")


def test_reads_go_on_after_every_session_was_ended(postgres: PostgresWorld, store: PostgresStore) -> None:
    row, _ = write(store, "insert", new_task())[0]
    pids = [line._connection.info.backend_pid for line in store._lines if line._connection is not None]
    for pid in pids:
        postgres.sql(f"SELECT pg_terminate_backend({pid}, 5000)")
    assert store.read([row.id])[0].id == row.id
    with pytest.raises(LedgerUnavailable):  # it cannot know whether it arrived
        write(store, "insert", new_task())
    write(store, "insert", new_task())


def test_a_row_that_another_program_keeps_locked_is_no_refusal(postgres: PostgresWorld, store: PostgresStore) -> None:
    row, _ = write(store, "insert", new_task(worker="w"))[0]
    with another_program(postgres) as program:
        program.execute("SELECT 1 FROM task_results WHERE id = %s FOR UPDATE", (row.id,))
        with pytest.raises(LedgerUnavailable, match="holds a lock"):
            write(store, "settle", success(row))
    assert write(store, "settle", success(row)) == [True]


@pytest.mark.parametrize("together", [False, True])
def test_a_success_whose_transaction_outlasts_the_bound_is_taken_back(
    postgres: PostgresWorld, store: PostgresStore, together: bool
) -> None:
    """It waits for a lock of another program, written already, while its bound passes."""
    rows = sorted(row for row, _ in write(store, "insert", new_task(worker="w"), new_task(worker="w")))
    first, second = (row for row in rows)
    postgres.sql("CREATE TABLE IF NOT EXISTS moving (now bigint); TRUNCATE moving")
    postgres.sql(f"INSERT INTO moving VALUES ({first.as_of})")
    postgres.sql(  # the tests' usual clock stands still for as long as a statement runs
        "CREATE OR REPLACE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE "
        f"AS $$ SELECT now FROM {postgres.ground.schema}.moving $$"
    )
    changes = [Change("settle", [success(row)._replace(row=row) for row in (first, second)])]
    if together:
        changes.append(Change("insert", [new_task()]))
    trouble: list[BaseException] = []

    def settle() -> None:
        try:
            store.write(changes)
        except LedgerUnavailable as error:
            trouble.append(error)

    with another_program(postgres) as program:
        program.execute("SELECT 1 FROM task_results WHERE id = %s FOR UPDATE", (second.id,))
        thread = threading.Thread(target=settle)
        thread.start()
        until(lambda: postgres.sql(WAITS))
        assert not store.quiet(first.settles_at)
        postgres.sql(f"UPDATE moving SET now = {first.settles_at}")
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert [row.status for row in store.read([first.id])] == [Status.RUNNING]
    assert store.quiet(first.settles_at)
    assert trouble
    postgres.advance((first.settles_at - first.as_of) / 1000)
    ledger = Ledger(postgres.open())
    assert ledger.get(first.id).settled
    ledger.close()


def test_a_reader_is_told_though_a_transaction_begun_after_the_bound_keeps_the_row(
    postgres: PostgresWorld, store: PostgresStore
) -> None:
    row, _ = write(store, "insert", new_task(worker="w"))[0]
    postgres.advance((row.settles_at - row.as_of) / 1000 + 60)
    ledger = Ledger(postgres.open())
    with another_program(postgres) as program:
        program.execute("UPDATE task_results SET progress = 0.5 WHERE id = %s", (row.id,))
        assert not store.quiet(row.settles_at + 60_000)  # of a bound that passes just now, it might be a success
        assert ledger.get(row.id).status is Status.FAILED  # this one it cannot change any more
    ledger.close()


def test_an_insert_that_is_tried_again_makes_no_second_task(postgres: PostgresWorld, store: PostgresStore) -> None:
    """The commit arrives, its answer does not: here the answer is thrown away."""
    new, send = new_task(), store._send

    def lost(*sent: object) -> object:
        send(*sent)  # type: ignore[arg-type]
        raise psycopg.OperationalError("the connection was lost")

    store._send = lost  # type: ignore[method-assign, assignment]
    with pytest.raises(LedgerUnavailable):
        write(store, "insert", new)
    store._send = send  # type: ignore[method-assign]
    row, created = write(store, "insert", new)[0]
    assert created
    assert store.counts() == {("pending", None): 1}
    assert store.read([row.id])[0].status is Status.PENDING


def test_a_transaction_that_broke_off_does_not_spoil_the_ones_after_it(
    postgres: PostgresWorld, store: PostgresStore
) -> None:
    """The driver takes a statement for prepared that the server could not plan, its table being locked."""
    changes = [Change("dismiss", ["nobody"]), Change("insert", [new_task()])]
    for before in (0, 2):  # it prepares what comes for the third time; what fails before that must do no harm either
        for _ in range(before):
            store.write(changes)
        with another_program(postgres) as program:
            program.execute("LOCK TABLE task_results, task_workers IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(LedgerUnavailable, match="holds a lock"):
                store.write(changes)
    assert store.write(changes).results[0] == [False]
