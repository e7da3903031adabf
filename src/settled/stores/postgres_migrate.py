"""Brings a PostgreSQL schema to this version of a ledger, while others work on it."""

from __future__ import annotations

import logging
import re
from contextlib import closing
from typing import Any

import psycopg

from settled.errors import BadLedgerUrl, LedgerTooNew
from settled.stores import queries
from settled.stores.postgres_line import Connection
from settled.stores.postgres_open import Place, connect

log = logging.getLogger("settled")
_INDEX = re.compile(r"^CREATE INDEX (\w+) ON [^;]+;", re.MULTILINE)
"""One that only makes looking faster; a unique one is a promise, and comes with its table."""
_DROPPED = re.compile(r"^DROP INDEX \{schema\}\.(\w+);", re.MULTILINE)
"""One that another has replaced: it serves until that one is built."""


def is_ledger(connection: Connection, place: Place) -> bool:
    """Whether the schema has a ledger's tables."""
    return _exists(connection, place, "task_ledger")


def migrate(connection: Connection, place: Place, sql: dict[str, str]) -> None:
    """Bring the tables to this version, one process at a time; raise for what is not ours or is newer.

    Where nothing is to be done nothing is asked of the role but to read. Tables that are in use are locked for
    instants: an index is built beside the writing, and if that cannot be done now, the next who opens tries again.
    """
    steps = queries.migrations("postgres")
    found = _version(connection, place, sql)
    if found > steps[-1][0]:
        raise LedgerTooNew(
            f"{place.shown} has tables of version {found}, this settled knows up to {steps[-1][0]}: a newer one "
            "wrote it. Nothing was changed. Install that version, or use another schema."
        )
    for number, statements in steps[found:]:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '5s'")
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (_lock(place),))
            if _version(connection, place, sql) >= number:
                continue  # another process was first
            if number == 1 and not _has_schema(connection, place):
                connection.execute(f"CREATE SCHEMA {place.quoted}")
            inside = _DROPPED.sub("", _INDEX.sub("", statements)) if found else statements
            connection.execute(inside.replace("{schema}", place.quoted))
            connection.execute(sql["set_version"], {"version": number})
    _build_indexes(connection, place, "".join(statements for _, statements in steps))


def _build_indexes(connection: Connection, place: Place, statements: str) -> None:
    """Build what is missing, or was not finished, unless another process is at it or the role may not."""
    there = valid_indexes(connection, place)
    dropped = _DROPPED.findall(statements)
    missing = {
        found[1]: found[0]
        for found in _INDEX.finditer(statements)
        if not there.get(found[1]) and found[1] not in dropped
    }
    replaced = [name for name in dropped if name in there]
    if not missing and not replaced:
        return
    try:
        with connection.transaction(), closing(connect(place)) as builder:
            mine = connection.execute(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (f"{_lock(place)} indexes",)
            ).fetchone()
            # It holds the lock meanwhile; and holds no snapshot any more, for which the building would wait.
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            if mine == (True,):
                builder.execute("SET statement_timeout = '1h'; SET lock_timeout = '30s'")
                for name, statement in missing.items():
                    builder.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {place.quoted}.{name}")  # half built
                    builder.execute(
                        statement.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY").replace("{schema}", place.quoted)
                    )
                for name in replaced:
                    builder.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {place.quoted}.{name}")
    except psycopg.Error as error:
        log.warning(
            "Indexes of %s are missing or replaced (%s) and cannot be built or dropped now: %s. It works, but slowly; "
            "the next process that opens the ledger tries again, or `settled migrate` with the role that owns it.",
            place.shown, ", ".join([*missing, *replaced]), str(error).strip(),
        )  # fmt: skip


def valid_indexes(connection: Connection, place: Place) -> dict[str, Any]:
    """For each index of the schema, whether it is valid: one of which the building broke off is not."""
    return dict(
        connection.execute(
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s",
            (place.schema,),
        ).fetchall()
    )


def _lock(place: Place) -> str:
    return f"settled {place.schema}"


def _version(connection: Connection, place: Place, sql: dict[str, str]) -> int:
    if is_ledger(connection, place):
        row = connection.execute(sql["version"]).fetchone()
        return int(row[0]) if row else 0
    if _exists(connection, place, "task_results"):
        raise BadLedgerUrl(
            f"{place.shown} has a table task_results that settled did not make. Nothing was changed. "
            "Give the ledger a schema of its own."
        )
    return 0


def _exists(connection: Connection, place: Place, table: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = %s",
        (place.schema, table),
    ).fetchone()
    return found is not None


def _has_schema(connection: Connection, place: Place) -> bool:
    return connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (place.schema,)).fetchone() is not None
