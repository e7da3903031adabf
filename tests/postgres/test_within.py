"""A submit inside the application's own transaction: the task is there if, and as soon as, the business data is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import django
import psycopg
import psycopg.conninfo
import pytest
import sqlalchemy
from django.conf import settings
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from settled import BadInput, KeyConflict, TaskFunction, Tasks
from settled.errors import TaskNotFound
from settled.states import Status
from tests.postgres import ground
from tests.postgres.ground import Ground


class Inside(NamedTuple):
    """A transaction under way: what to submit in, and how to run a statement in it."""

    connection: Any
    run: Callable[[str], Awaitable[object]]


Way = Callable[[str], AbstractAsyncContextManager[Inside]]
"""From a server's URL to a transaction, committed at the end of the block, rolled back if that raises."""


class Undo(Exception):
    """Rolls a transaction back."""


@asynccontextmanager
async def psycopg_sync(url: str) -> AsyncIterator[Inside]:
    with psycopg.connect(url, row_factory=dict_row) as connection:  # whatever the application has set

        async def run(sql: str) -> None:
            connection.execute(sql.encode())

        yield Inside(connection, run)


@asynccontextmanager
async def psycopg_async(url: str) -> AsyncIterator[Inside]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield Inside(connection, lambda sql: connection.execute(sql.encode()))


@contextmanager
def disposed(engine: sqlalchemy.Engine) -> Iterator[sqlalchemy.Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


@asynccontextmanager
async def adisposed(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    try:
        yield engine
    finally:
        await engine.dispose()


def engine_url(url: str, driver: str) -> str:
    return url.replace("postgresql://", f"postgresql+{driver}://")


@asynccontextmanager
async def sqlalchemy_connection(url: str) -> AsyncIterator[Inside]:
    with disposed(sqlalchemy.create_engine(engine_url(url, "psycopg"))) as engine, engine.begin() as connection:

        async def run(sql: str) -> None:
            connection.execute(sqlalchemy.text(sql))

        yield Inside(connection, run)


@asynccontextmanager
async def sqlalchemy_session(url: str) -> AsyncIterator[Inside]:
    engine = sqlalchemy.create_engine(engine_url(url, "psycopg"))
    with disposed(engine), Session(engine) as session, session.begin():

        async def run(sql: str) -> None:
            session.execute(sqlalchemy.text(sql))

        yield Inside(session, run)


@asynccontextmanager
async def sqlalchemy_async_connection(url: str) -> AsyncIterator[Inside]:
    async with adisposed(create_async_engine(engine_url(url, "psycopg"))) as engine, engine.begin() as connection:
        yield Inside(connection, lambda sql: connection.execute(sqlalchemy.text(sql)))


@asynccontextmanager
async def sqlalchemy_async_session_on_asyncpg(url: str) -> AsyncIterator[Inside]:
    engine = create_async_engine(engine_url(url, "asyncpg"))
    async with adisposed(engine), AsyncSession(engine) as session, session.begin():
        yield Inside(session, lambda sql: session.execute(sqlalchemy.text(sql)))


@asynccontextmanager
async def django_atomic(url: str) -> AsyncIterator[Inside]:
    from django.db import connections, transaction  # needs its settings first

    connection = connections["default"]

    async def run(sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)

    try:
        with transaction.atomic():
            yield Inside(connection, run)
    finally:
        connection.close()


WAYS: list[Way] = [
    psycopg_sync, psycopg_async, sqlalchemy_connection, sqlalchemy_session, sqlalchemy_async_connection,
    sqlalchemy_async_session_on_asyncpg, django_atomic,
]  # fmt: skip
SYNC = (psycopg_sync, sqlalchemy_connection, sqlalchemy_session)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """A ledger, with a business table beside it."""
    taken = ground.take()
    taken.sql("CREATE TABLE IF NOT EXISTS orders (number int); DELETE FROM orders")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # the tests run it on their event loop
    configure_django(taken.server)
    yield taken
    ground.give_back(taken)


def configure_django(server: str) -> None:
    if not settings.configured:
        found = psycopg.conninfo.conninfo_to_dict(server)
        database = {"ENGINE": "django.db.backends.postgresql", "NAME": found["dbname"], "USER": found.get("user", "")}
        settings.configure(
            DATABASES={"default": database | {"HOST": found.get("host", ""), "PORT": str(found.get("port", ""))}}
        )
        django.setup()


@pytest.fixture
def invoice(place: Ground) -> Iterator[TaskFunction[..., Any]]:
    """A task function that no worker runs yet."""
    tasks = Tasks(place.url, embedded=False)

    @tasks.task(timeout=5)
    def invoice(number: int) -> int:
        return number

    yield invoice
    tasks.stop()


def orders(place: Ground) -> int:
    return len(place.sql("SELECT * FROM orders"))


@pytest.mark.parametrize("way", WAYS)
def test_a_commit_makes_the_task_and_the_data_exist_together(
    place: Ground, invoice: TaskFunction[..., Any], way: Way
) -> None:
    tasks: Any = invoice.submitter

    async def main() -> None:
        async with way(place.server) as (connection, run):
            await run(f"INSERT INTO {place.schema}.orders VALUES (7)")
            task = await invoice.using(within=connection, key="order 7").asubmit(7)
            again = await invoice.using(within=connection, key="order 7").asubmit(7)
            assert again.id == task.id
            with pytest.raises(TaskNotFound):
                await tasks.aget(task.id)
        row = await tasks.aget(task.id)
        assert (row.status, row.name, row.arguments, row.key, row.timeout_ms, row.settles_at) == (
            Status.PENDING, task.snapshot.name, '{"args":[7],"kwargs":{}}', "order 7", 5_000, task.snapshot.settles_at,
        )  # fmt: skip

    asyncio.run(main())
    assert orders(place) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_rollback_leaves_neither(place: Ground, invoice: TaskFunction[..., Any], way: Way) -> None:
    tasks: Any = invoice.submitter

    async def undone() -> str:
        task = None
        with suppress(Undo):
            async with way(place.server) as (connection, run):
                await run(f"INSERT INTO {place.schema}.orders VALUES (7)")
                task = await invoice.using(within=connection).asubmit(7)
                raise Undo
        assert task is not None
        return task.id

    task_id = asyncio.run(undone())
    with pytest.raises(TaskNotFound):
        tasks.get(task_id)
    assert orders(place) == 0
    assert place.sql("SELECT * FROM task_results") == []


@pytest.mark.parametrize("way", SYNC)
def test_a_plain_submit_takes_a_plain_connection(place: Ground, invoice: TaskFunction[..., Any], way: Way) -> None:
    async def main() -> str:
        async with way(place.server) as (connection, _):
            return invoice.using(within=connection).submit(7).id

    task_id = asyncio.run(main())
    assert place.sql("SELECT id FROM task_results") == [(task_id,)]


def test_a_connection_for_an_event_loop_is_refused_by_a_plain_submit(
    place: Ground, invoice: TaskFunction[..., Any]
) -> None:
    async def main() -> None:
        async with psycopg_async(place.server) as (connection, _):
            with pytest.raises(BadInput, match="asubmit"):
                invoice.using(within=connection).submit(7)

    asyncio.run(main())


def test_a_key_that_is_taken_by_another_call_is_a_conflict(place: Ground, invoice: TaskFunction[..., Any]) -> None:
    invoice.using(key="k").submit(1)
    with psycopg.connect(place.server) as connection, pytest.raises(KeyConflict, match="Nothing was submitted"):
        invoice.using(within=connection, key="k").submit(2)
    with psycopg.connect(place.server) as connection:
        assert invoice.using(within=connection, key="k").submit(1).snapshot.key == "k"


def test_what_is_no_connection_is_refused(place: Ground, invoice: TaskFunction[..., Any]) -> None:
    with pytest.raises(BadInput, match="is no connection"):
        invoice.using(within=object()).submit(1)
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(BadInput, match="goes to sqlite"):
        invoice.using(within=connection).submit(1)


def test_a_connection_to_another_ledger_of_that_name_is_refused(place: Ground, invoice: TaskFunction[..., Any]) -> None:
    invoice.submit(0)
    place.sql("UPDATE task_ledger SET id = 'another'")
    try:
        with pytest.raises(BadInput, match="another ledger"), psycopg.connect(place.server) as connection:
            invoice.using(within=connection).submit(1)
    finally:
        place.sql(f"UPDATE task_ledger SET id = '{invoice.submitter.ledger.store._id}'")  # type: ignore[attr-defined]
    assert len(place.sql("SELECT id FROM task_results")) == 1


def test_a_ledger_on_sqlite_says_why_it_cannot(tmp_path: Any) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path / 'tasks.db'}", embedded=False)

    @tasks.task
    def work() -> None: ...

    with psycopg.connect(ground.take().server) as connection, pytest.raises(BadInput, match="SQLite"):
        work.using(within=connection).submit()
    tasks.stop()


def test_a_worker_runs_it_after_the_commit_and_not_before(place: Ground) -> None:
    tasks = Tasks(place.url)

    @tasks.task(timeout=30)
    async def invoice(number: int) -> int:
        return number

    async def main() -> None:
        async with tasks.working():
            async with psycopg_async(place.server) as (connection, _):
                task = await invoice.using(within=connection).asubmit(7)
                other = await invoice.asubmit(8)
                assert (await other).result == 8  # the worker works, and does not see the first one
                with pytest.raises(TaskNotFound):
                    await tasks.aget(task.id)
            ending = await task
            assert ending.result == 7

    asyncio.run(main())
