"""Opening on PostgreSQL: migrations happen once, whoever comes first; and few rights are enough for an application."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import psycopg
import pytest

from settled.errors import BadLedgerUrl, LedgerTooNew, LedgerUnavailable
from settled.stores import queries
from settled.stores.base import Beat, Claim, Prune
from settled.stores.postgres import PostgresStore
from settled.stores.urls import store_of
from tests.stores.making import new_task, success, worker_row
from tests.stores.worlds import PostgresWorld, until, write

CLOCKED = ("protections", "vacuum")
"""What the doctor finds amiss of the tests themselves: their clock, and perhaps a server without autovacuum."""
APP_GRANTS = """
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
"""


@pytest.fixture
def postgres() -> Iterator[PostgresWorld]:
    made = PostgresWorld()
    yield made
    made.close()


@pytest.fixture
def nowhere(postgres: PostgresWorld) -> str:
    """A schema that is not there yet, and goes with the test."""
    return f"{postgres.ground.schema}_nowhere"


def kinds(postgres: PostgresWorld, schema: str) -> set[str]:
    return {
        f"{kind} {name}"
        for kind, name in postgres.sql(
            "SELECT CASE c.relkind WHEN 'r' THEN 'table' ELSE 'index' END, c.relname FROM pg_class c "
            f"WHERE c.relnamespace = '{schema}'::regnamespace UNION ALL "
            "SELECT 'trigger', t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            f"WHERE c.relnamespace = '{schema}'::regnamespace AND NOT t.tgisinternal"
        )
    }


def test_a_schema_of_its_own_gets_every_table_index_and_trigger(postgres: PostgresWorld, nowhere: str) -> None:
    store = store_of(postgres.nowhere)
    store.open()
    store.close()
    assert {
        "table task_results", "table task_workers", "table task_locks", "table task_ledger",
        "index task_results_open", "index task_results_free_due", "index task_results_key",
        "trigger task_results_settled", "trigger task_results_bound", "trigger task_results_born",
        "trigger task_results_kept", "trigger task_results_emptied",
    } <= kinds(postgres, nowhere)  # fmt: skip


def test_many_may_make_a_new_ledger_at_once(postgres: PostgresWorld) -> None:
    stores = [store_of(postgres.nowhere) for _ in range(6)]
    start = threading.Barrier(len(stores))
    troubles: list[Exception] = []

    def open_one(store: PostgresStore) -> None:
        start.wait(timeout=10)
        try:
            store.open()
        except Exception as trouble:
            troubles.append(trouble)

    threads = [threading.Thread(target=open_one, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert troubles == []
    for store in stores:
        write(store, "insert", new_task())
        store.close()


def test_a_ledger_of_a_newer_version_is_left_as_it_is(postgres: PostgresWorld) -> None:
    postgres.sql("UPDATE task_ledger SET version = 999")
    with pytest.raises(LedgerTooNew, match=r"version 999.*newer.*Nothing was changed\..*Install"):
        postgres.open()


def test_somebody_elses_table_of_that_name_is_left_as_it_is(postgres: PostgresWorld, nowhere: str) -> None:
    postgres.sql(f"CREATE SCHEMA {nowhere}; CREATE TABLE {nowhere}.task_results (id text)")
    store = store_of(postgres.nowhere)
    with pytest.raises(BadLedgerUrl, match=r"task_results.*settled did not make.*Nothing was changed"):
        store.open()
    store.close()
    assert kinds(postgres, nowhere) == {"table task_results"}


def test_two_schemas_of_one_database_are_two_ledgers(postgres: PostgresWorld) -> None:
    one, other = postgres.open(), store_of(postgres.nowhere)
    other.open()
    row, _ = write(one, "insert", new_task())[0]
    assert other.read([row.id]) == []
    other.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://h/d?schema=a-b", "schema"),
        ("postgresql://h/d?schema=pg_mine", "schema"),
        ("postgresql://h/d?schema=" + "x" * 60, "schema"),
        ("postgresql://h/d?direct=maybe", "direct=no"),
        ("postgresql://h/d?colour=blue", "libpq"),
    ],
)
def test_a_url_that_names_no_schema_is_refused(url: str, said: str) -> None:
    with pytest.raises(BadLedgerUrl, match=said):
        store_of(url)


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    store = store_of("postgresql://ann:s3cr3t@127.0.0.1:1/app")
    with pytest.raises(LedgerUnavailable, match=r"127\.0\.0\.1:1/app") as trouble:
        store.open()
    assert "s3cr3t" not in str(trouble.value)
    store.close()


@pytest.fixture
def app(postgres: PostgresWorld) -> Iterator[str]:
    """The URL of a role that has been granted what docs/postgresql.md says, and nothing more."""
    role = f"app_{os.urandom(6).hex()}"
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    postgres.sql(APP_GRANTS.format(schema=postgres.ground.schema, role=role))
    yield postgres.url.replace("//postgres@", f"//{role}:{role}@")
    postgres.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_role_with_least_privilege_can_do_all_that_an_application_does(app: str, postgres: PostgresWorld) -> None:
    store = PostgresStore(app, postgres.ground.clock)
    store.open()
    store.hold("w")
    write(store, "enlist", worker_row("w"))
    running, pending = (row for row, _ in write(store, "insert", new_task(worker="w"), new_task(key="k")))
    assert write(store, "settle", success(running)) == [True]
    assert [row.id for row in write(store, "claim", Claim("w", '["work"]', 5))[0]] == [pending.id]
    assert write(store, "beat", Beat("w", 5_000)) == [True]
    assert write(store, "prune", Prune(0, 10)) == [0]
    assert {finding.level for finding in store.diagnose(deep=True) if finding.subject not in CLOCKED} == {"ok"}
    assert store.quiet(running.settles_at)
    store.release("w")
    store.close()


@pytest.mark.parametrize(
    "harm",
    [
        "ALTER TABLE task_results DISABLE TRIGGER ALL",
        "DROP TRIGGER task_results_settled ON task_results",
        "ALTER TABLE task_results DROP CONSTRAINT task_results_check4",
        "SET session_replication_role = replica",
        "TRUNCATE task_results",
        "DROP TABLE task_results",
        "CREATE OR REPLACE FUNCTION now_ms() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
    ],
)
def test_a_role_with_least_privilege_cannot_take_the_protections_away(
    app: str, postgres: PostgresWorld, harm: str
) -> None:
    url, _, _ = app.partition("?")
    options = f"-c search_path={postgres.ground.schema}"
    with (
        psycopg.connect(url, autocommit=True, options=options) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(harm.encode())


def test_a_role_that_may_not_make_a_ledger_says_what_to_grant(app: str, postgres: PostgresWorld) -> None:
    store = store_of(app + "_nowhere")
    with pytest.raises(LedgerUnavailable, match="lacks a privilege"):
        store.open()
    store.close()


@pytest.fixture
def oldest(postgres: PostgresWorld, nowhere: str) -> str:
    """The schema of a ledger that the first version made; it has a task."""
    _, statements = queries.migrations("postgres")[0]
    postgres.sql(f"CREATE SCHEMA {nowhere}; {statements.replace('{schema}', nowhere)}")
    postgres.sql(f"INSERT INTO {nowhere}.task_results (id) VALUES ('one')")
    return nowhere


def test_an_old_ledger_is_brought_up_to_date_and_keeps_its_tasks(postgres: PostgresWorld, oldest: str) -> None:
    store = store_of(postgres.nowhere)
    store.open()
    assert [row.id for row in store.read(["one"])] == ["one"]
    assert {finding.level for finding in store.diagnose(deep=True) if finding.subject not in CLOCKED} == {"ok"}
    assert {"index task_results_due", "index task_results_free_due"} & kinds(postgres, oldest) == {
        "index task_results_free_due"  # which has replaced the other
    }
    store.close()


def test_an_index_of_a_newer_version_is_built_while_others_write(postgres: PostgresWorld, oldest: str) -> None:
    store = store_of(postgres.nowhere)
    store.open()
    index = "task_results_free_publish"
    postgres.sql(f"DROP INDEX {oldest}.{index}")  # as a migration leaves it that has changed the table just now
    insert = f"INSERT INTO {oldest}.task_results (id) VALUES (%s)"
    with psycopg.connect(postgres.url.partition("?")[0]) as slow:
        slow.execute(insert, ("two",))  # it commits when it likes, and the index must have this row
        builder = threading.Thread(target=store.open)
        builder.start()
        waiting = "SELECT 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting for writers%'"
        until(lambda: bool(postgres.sql(waiting)))
        with psycopg.connect(postgres.url.partition("?")[0], autocommit=True) as other:
            other.execute("SET lock_timeout = '2s'")
            other.execute(insert, ("three",))
        assert f"index {index}" in kinds(postgres, oldest)
        slow.commit()
    builder.join(timeout=60)
    found = postgres.sql(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{oldest}.{index}'::regclass")
    assert found == [(True,)]
    store.close()


def test_an_index_that_was_left_half_built_is_built_by_the_next_who_opens(postgres: PostgresWorld, oldest: str) -> None:
    store = store_of(postgres.nowhere)
    store.open()
    half_built = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{}.task_results_free_publish'::regclass"
    postgres.sql(half_built.format(oldest))
    store.open()
    assert {finding.level for finding in store.diagnose(deep=False) if finding.subject not in CLOCKED} == {"ok"}
    store.close()


def test_a_role_that_may_not_build_an_index_works_without(
    app: str, postgres: PostgresWorld, caplog: pytest.LogCaptureFixture
) -> None:
    postgres.sql(f"DROP INDEX {postgres.ground.schema}.task_results_free_publish")
    store = PostgresStore(app, postgres.ground.clock)
    store.open()
    write(store, "insert", new_task())
    assert "task_results_free_publish" in caplog.text
    store.close()
