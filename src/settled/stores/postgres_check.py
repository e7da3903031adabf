"""Checks a PostgreSQL ledger's settings: durability, the protections of its tables, its sizes and its vacuuming."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from settled.records import Finding
from settled.stores import queries
from settled.stores.postgres_line import Connection
from settled.stores.postgres_migrate import valid_indexes
from settled.stores.postgres_open import Place

MANY_DEAD = 100_000
_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX (\w+)")
_DROPPED = re.compile(r"DROP INDEX \{schema\}\.(\w+);")
_TRIGGER = re.compile(r"CREATE (?:CONSTRAINT )?TRIGGER (\w+)")
_FUNCTION = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION \{schema\}\.(\w+)\(.*?\$\$(.*?)\$\$", re.DOTALL)
_HELP = "Restore it from the migration in settled/stores/sql/migrations, and find out who changed it."
_LOSS = "so the database no longer refuses what must not happen"


def findings(connection: Connection, place: Place, sql: dict[str, str], *, deep: bool) -> list[Finding]:
    """Return what is found; ``deep`` reads every row."""
    found = [_durability(connection), *_protections(connection, place), _sizes(connection, place)]
    found += [_vacuuming(connection, place), _sessions(connection, place)]
    return [*found, _integrity(connection, sql)] if deep else found


def _durability(connection: Connection) -> Finding:
    settings = {name: _setting(connection, name) for name in ("fsync", "synchronous_commit", "full_page_writes")}
    said = ", ".join(f"{name}={value}" for name, value in settings.items())
    if settings["fsync"] == "on" and settings["full_page_writes"] == "on" and settings["synchronous_commit"] != "off":
        return Finding("ok", "durability", f"{said}: what was submitted survives a power cut of the server.")
    return Finding(
        "broken", "durability", f"{said}, where none may be off: a power cut may lose tasks. Find out what changed it."
    )


def _protections(connection: Connection, place: Place) -> list[Finding]:
    """Compare the indexes, triggers and functions with those that the migrations make."""
    text = "\n".join(statements for _, statements in queries.migrations("postgres"))
    found = [*_indexes(connection, place, text), *_triggers(connection, place, text)]
    found += _functions(connection, place, text)
    return found or [Finding("ok", "protections", "The indexes, triggers and functions are those that settled made.")]


def _indexes(connection: Connection, place: Place, text: str) -> Iterator[Finding]:
    there = valid_indexes(connection, place)
    dropped = _DROPPED.findall(text)
    for unique, name in _INDEX.findall(text):
        if name not in dropped and not there.get(name):
            what = "is not valid" if name in there else "is missing"
            loss = _LOSS if unique else "so it may be slow"
            yield Finding("broken" if unique else "warning", "protections", f"The index {name} {what}, {loss}. {_HELP}")


def _triggers(connection: Connection, place: Place, text: str) -> Iterator[Finding]:
    there: dict[str, str] = dict(
        connection.execute(
            "SELECT t.tgname, t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relname IN ('task_results', 'task_latest') AND NOT t.tgisinternal",
            (place.schema,),
        ).fetchall()
    )
    ours = _TRIGGER.findall(text)
    for name in ours:
        if there.get(name) not in ("O", "A"):
            what = "is disabled" if name in there else "is missing"
            yield Finding("broken", "protections", f"The trigger {name} {what}, {_LOSS}. {_HELP}")
    for name in there:
        if name not in ours:
            yield Finding(
                "warning", "protections", f"The trigger {name} is not settled's; it may stop a task from settling."
            )


def _functions(connection: Connection, place: Place, text: str) -> Iterator[Finding]:
    there: dict[str, Any] = dict(
        connection.execute(
            "SELECT p.proname, p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname = %s",
            (place.schema,),
        ).fetchall()
    )
    for name, body in _FUNCTION.findall(text):
        if _plain(there.get(name, "")) != _plain(body.replace("{schema}", place.quoted)):
            what = "has been changed" if name in there else "is missing"
            yield Finding("broken", "protections", f"The function {name} {what}, {_LOSS}. {_HELP}")


def _sizes(connection: Connection, place: Place) -> Finding:
    table, indexes, database = connection.execute(
        "SELECT pg_table_size(c.oid), pg_indexes_size(c.oid), pg_database_size(current_database()) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = 'task_results'",
        (place.schema,),
    ).fetchall()[0]
    sizes = [f"{size / 1_048_576:,.1f} MiB" for size in (table, indexes, database)]
    return Finding("ok", "size", f"{sizes[0]} of tasks, {sizes[1]} of indexes, in a database of {sizes[2]}.")


def _vacuuming(connection: Connection, place: Place) -> Finding:
    row = connection.execute(
        "SELECT n_live_tup, n_dead_tup, greatest(last_vacuum, last_autovacuum)::text FROM pg_stat_all_tables "
        "WHERE schemaname = %s AND relname = 'task_results'",
        (place.schema,),
    ).fetchone()
    live, dead, at = row or (0, 0, None)
    said = f"{dead:,} dead rows beside {live:,}, last vacuumed {at or 'never'}."
    if _setting(connection, "autovacuum") != "on":
        return Finding("warning", "vacuum", f"{said} autovacuum is off: the tables grow, and get slow. Turn it on.")
    if dead > MANY_DEAD and dead > live:
        return Finding(
            "warning", "vacuum", f"{said} Something keeps vacuum from its work: a transaction that has been open long."
        )
    return Finding("ok", "vacuum", said)


def _sessions(connection: Connection, place: Place) -> Finding:
    said = f"PostgreSQL {_setting(connection, 'server_version')}, as {connection.info.user}."
    if place.direct:
        return Finding("ok", "sessions", said)
    return Finding(
        "ok", "sessions", f"{said} Without a direct connection: the death of a worker is noticed by its lease."
    )


def _integrity(connection: Connection, sql: dict[str, str]) -> Finding:
    """Read and decode every value of every row; a page with a wrong checksum or a damaged value raises."""
    connection.execute("SET statement_timeout = 0")
    try:
        count = connection.execute(sql["read_all"]).fetchall()[0][0]
    finally:
        connection.execute("RESET statement_timeout")
    return Finding("ok", "integrity", f"All of the {count:,} rows can be read.")


def _setting(connection: Connection, name: str) -> str:
    return str(connection.execute("SELECT current_setting(%s)", (name,)).fetchall()[0][0])


def _plain(text: str) -> str:
    return " ".join(text.split())
