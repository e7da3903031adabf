"""Behind a PgBouncer that shares sessions out by transaction: no lock and no hint, and everything else holds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import psycopg
import pytest

from settled import Status, Tasks
from settled.errors import LedgerUnavailable
from settled.ledger import Ledger
from settled.states import Reason
from settled.stores.base import Change, Claim
from settled.stores.postgres import PostgresStore
from tests import servers
from tests.postgres.pooler import Pooler, program
from tests.stores.making import new_task, success, worker_row
from tests.stores.worlds import PostgresWorld, write


@pytest.fixture(scope="module")
def pooler() -> Iterator[Pooler]:
    if program() is None:
        pytest.skip("no pgbouncer. On Debian: tools/apt.sh pgbouncer")
    made = Pooler(servers.postgres())
    yield made
    made.close()


@pytest.fixture
def postgres() -> Iterator[PostgresWorld]:
    made = PostgresWorld()
    yield made
    made.close()


def url(pooler: Pooler, schema: str) -> str:
    return f"{pooler.url}?schema={schema}&direct=no"


def test_a_ledger_is_made_written_and_read(pooler: Pooler, postgres: PostgresWorld) -> None:
    store = PostgresStore(url(pooler, f"{postgres.ground.schema}_nowhere"))
    assert not store.exists()
    store.open()
    assert store.exists()
    write(store, "enlist", worker_row("w"))
    for _ in range(20):  # more often than a statement is prepared at
        rows = [row for row, _ in write(store, "insert", new_task(), new_task(worker="w"))]
        changes = [Change("settle", [success(rows[1])]), Change("claim", [Claim("w", '["work"]', 5)])]
        (won,), ((claimed,),) = store.write(changes).results
        assert won
        assert claimed[:-1] == store.read([rows[0].id])[0][:-1]  # all but as_of
    store.close()


@pytest.mark.parametrize("verb", ["write", "read"])
def test_a_table_that_somebody_has_locked_is_not_waited_for_without_a_bound(
    pooler: Pooler, postgres: PostgresWorld, verb: str
) -> None:
    store = PostgresStore(url(pooler, postgres.ground.schema), postgres.ground.clock)
    store.open()
    with psycopg.connect(servers.postgres()) as other:
        other.execute(f"LOCK TABLE {postgres.ground.schema}.task_results IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LedgerUnavailable, match="lock"):
            write(store, "insert", new_task()) if verb == "write" else store.read(["one"])
    assert len(write(store, "insert", new_task())) == 1
    store.close()


def test_more_processes_than_sessions_take_turns(pooler: Pooler, postgres: PostgresWorld) -> None:
    stores = [PostgresStore(url(pooler, postgres.ground.schema), postgres.ground.clock) for _ in range(5)]
    for store in stores:
        store.open()

    def work(store: PostgresStore) -> None:
        for _ in range(10):
            write(store, "insert", new_task())

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert stores[0].counts() == {("pending", None): 50}
    for store in stores:
        store.close()


def test_a_dead_worker_is_found_by_its_lease(pooler: Pooler, postgres: PostgresWorld) -> None:
    ledgers = [
        Ledger(PostgresStore(url(pooler, postgres.ground.schema), postgres.ground.clock), lease=5.0) for _ in range(2)
    ]
    for ledger in ledgers:
        ledger.open()
        ledger.membership.enlist(["work"])
    dead, alive = ledgers
    row = dead.add(new_task(worker=dead.worker))[0]
    for _ in range(8):
        postgres.advance(1)
        alive.membership.beat()
        alive.expire()
    found = alive.get(row.id)
    assert (found.status, found.previous_error is not None or found.reason) in (
        (Status.PENDING, True),
        (Status.FAILED, Reason.WORKER_LOST),
    )
    for ledger in ledgers:
        ledger.close()


def test_tasks_run_and_settle(pooler: Pooler, postgres: PostgresWorld) -> None:
    tasks = Tasks(url(pooler, f"{postgres.ground.schema}_nowhere"), drain=0)

    @tasks.task(timeout=20)
    async def double(number: int) -> int:
        return 2 * number

    async def play() -> list[object]:
        async with tasks.lifespan():
            submitted = [await double.asubmit(number) for number in range(30)]
            return [(await task.await_(20)).unwrap() for task in submitted]

    assert asyncio.run(play()) == [2 * number for number in range(30)]
