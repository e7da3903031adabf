"""What the doctor finds of a ledger on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from settled.records import Finding
from settled.stores.postgres import PostgresStore
from settled.stores.urls import store_of
from tests.stores.worlds import PostgresWorld


@pytest.fixture
def postgres() -> Iterator[PostgresWorld]:
    made = PostgresWorld()
    yield made
    made.close()


@pytest.fixture
def fresh(postgres: PostgresWorld) -> Iterator[PostgresStore]:
    """A ledger with the clock that it was made with, in the schema ``nowhere``."""
    store = store_of(postgres.nowhere)
    assert isinstance(store, PostgresStore)
    store.open()
    yield store
    store.close()


def found(store: PostgresStore, subject: str, *, deep: bool = False) -> list[Finding]:
    return [finding for finding in store.diagnose(deep=deep) if finding.subject == subject]


@pytest.mark.parametrize("subject", ["durability", "protections", "size", "sessions", "integrity"])
def test_a_new_ledger_is_in_order(fresh: PostgresStore, subject: str) -> None:
    assert [finding.level for finding in found(fresh, subject, deep=True)] == ["ok"]


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (
            "ALTER TABLE {}.task_results DISABLE TRIGGER task_results_settled",
            "trigger task_results_settled is disabled",
        ),
        ("DROP TRIGGER task_results_kept ON {}.task_results", "trigger task_results_kept is missing"),
        ("DROP INDEX {}.task_results_key", "index task_results_key is missing"),
        (
            "CREATE OR REPLACE FUNCTION {}.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "function refuse has been changed",
        ),
    ],
)
def test_a_protection_that_was_taken_away_breaks_the_promise(
    postgres: PostgresWorld, fresh: PostgresStore, harm: str, what: str
) -> None:
    postgres.sql(harm.format(f"{postgres.ground.schema}_nowhere"))
    (finding,) = found(fresh, "protections")
    assert finding.level == "broken"
    assert what in finding.message


def test_an_index_that_is_missing_is_slow_and_somebody_elses_trigger_is_named(
    postgres: PostgresWorld, fresh: PostgresStore
) -> None:
    schema = f"{postgres.ground.schema}_nowhere"
    postgres.sql(f"DROP INDEX {schema}.task_results_free_due")
    postgres.sql(
        f"CREATE TRIGGER theirs BEFORE UPDATE ON {schema}.task_results FOR EACH ROW "
        f"EXECUTE FUNCTION {schema}.refuse('no')"
    )
    assert [(finding.level, "theirs" in finding.message) for finding in found(fresh, "protections")] == [
        ("warning", False),
        ("warning", True),
    ]


def test_a_ledger_without_its_own_session_says_what_that_means(postgres: PostgresWorld) -> None:
    store = PostgresStore(f"{postgres.url}&direct=no", postgres.ground.clock)
    store.open()
    (finding,) = found(store, "sessions")
    store.close()
    assert "by its lease" in finding.message


def test_commits_that_are_not_durable_break_the_promise(postgres: PostgresWorld) -> None:
    store = PostgresStore(f"{postgres.url}&options=-c%20synchronous_commit%3Doff", postgres.ground.clock)
    store.open()
    (finding,) = found(store, "durability")
    store.close()
    assert finding.level == "broken"
