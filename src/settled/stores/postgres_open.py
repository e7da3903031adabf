"""Opens a PostgreSQL schema as a ledger: the URL, the connections' settings, the migrations."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader

from settled.errors import BadLedgerUrl, LedgerTooNew
from settled.stores import queries
from settled.stores.postgres_line import Connection

_NAME = re.compile(r"(?!pg_)[A-Za-z_][A-Za-z0-9_]{0,50}\Z")
_EXAMPLE = "postgresql://user@host/database?schema=app_tasks"
_NETWORK = {
    "application_name": "settled",
    "connect_timeout": "5",
    # A cut network is noticed within ten seconds, whether something was under way or not.
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
}
_SESSION = """
SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '30s';
SET jit = off;  -- it would compile for longer than any statement here runs
-- A worker's session that the network has cut off must outlive its lease: a lock that is gone means a death.
SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 15; SET tcp_keepalives_count = 4;
SET tcp_user_timeout = 120000;
"""
_WRITER = """
SET lock_timeout = '2s';
-- A batch finds its rows by their primary key, however many there are and whatever the statistics say:
-- a plan for many rows would walk the index of all that is open.
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
-- The plan of a claim that is kept for all limits would fetch and sort all that is due, for one task of a backlog.
SET enable_sort = off;
"""


class Place(NamedTuple):
    """Where a ledger is: a database, a schema in it, and whether sessions are ours for as long as we hold them."""

    conninfo: str
    schema: str
    direct: bool
    shown: str

    @property
    def quoted(self) -> str:
        """The schema's name as it is written in SQL."""
        return f'"{self.schema}"'


def place_of(url: str) -> Place:
    """Take a URL apart; raise ``BadLedgerUrl`` for one that libpq cannot read, or with another schema or direct."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema, direct = given.pop("schema", "settled"), given.pop("direct", "yes")
    if not _NAME.match(schema):
        raise BadLedgerUrl(
            f"{schema!r} cannot be the ledger's schema: letters, digits and _ (at most 51), not pg_…. Write {_EXAMPLE}."
        )
    if direct not in ("yes", "no"):
        raise BadLedgerUrl(
            f"direct={direct} is neither yes nor no. Write direct=no where PgBouncer shares sessions by transaction."
        )
    conninfo = urlunsplit(parts._replace(query=urlencode(given, quote_via=quote)))
    try:
        known = conninfo_to_dict(conninfo)
    except psycopg.Error as error:
        raise BadLedgerUrl(f"libpq cannot read the ledger's URL: {str(error).strip()}. Write {_EXAMPLE}.") from error
    host, database = known.get("host") or "", known.get("dbname") or known.get("user") or ""
    port = f":{known['port']}" if "port" in known else ""
    return Place(conninfo, schema, direct == "yes", f"postgresql://{host}{port}/{database}, schema {schema}")


def connect(place: Place, *, writes: bool = False) -> Connection:
    """Return a connection in autocommit mode, with bounds on everything that it may wait for."""
    given = conninfo_to_dict(place.conninfo)
    options: dict[str, Any] = {key: value for key, value in _NETWORK.items() if key not in given}
    connection: Connection = psycopg.connect(
        place.conninfo, autocommit=True, prepare_threshold=2 if place.direct else None, **options
    )
    try:
        connection.adapters.register_loader("json", TextLoader)  # a result is kept, and given out, as the text it is
        if place.direct:
            connection.execute(_SESSION + (_WRITER if writes else ""))
    except BaseException:
        connection.close()
        raise
    return connection


def is_ledger(connection: Connection, place: Place) -> bool:
    """Whether the schema has a ledger's tables."""
    return _exists(connection, place, "task_ledger")


def migrate(connection: Connection, place: Place, sql: dict[str, str]) -> None:
    """Bring the tables to this version, one process at a time; raise for what is not ours or is newer.

    Where nothing is to be done nothing is asked of the role but to read.
    """
    steps = queries.migrations("postgres")
    version = _version(connection, place, sql)
    if version > steps[-1][0]:
        raise LedgerTooNew(
            f"{place.shown} has tables of version {version}, this settled knows up to {steps[-1][0]}: a newer one "
            "wrote it. Nothing was changed. Install that version, or use another schema."
        )
    for number, statements in steps:
        if number <= version:
            continue
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '5s'")
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"settled {place.schema}",))
            if _version(connection, place, sql) >= number:
                continue  # another process was first
            if number == 1 and not _has_schema(connection, place):
                connection.execute(f"CREATE SCHEMA {place.quoted}")
            connection.execute(statements.replace("{schema}", place.quoted))
            connection.execute(sql["set_version"], {"version": number})


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
