"""Opens a PostgreSQL schema as a ledger: the URL, and the connections' settings."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader

from settled.errors import BadLedgerUrl
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
-- Each statement goes by one index whatever its values are; to plan it anew costs more than to run it.
SET plan_cache_mode = force_generic_plan;
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
_BOUNDS = {"statement_timeout": "30s", "lock_timeout": "2s", "jit": "off"}
_PLANS = dict.fromkeys(
    ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "enable_sort"), "off"
)


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


def _for_one_transaction(settings: dict[str, str]) -> str:
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())


READING, WRITING = _for_one_transaction(_BOUNDS), _for_one_transaction(_BOUNDS | _PLANS)
"""What a transaction begins with where its session is another's in a moment, and was another's just now."""


def connect(place: Place, *, writes: bool = False, settings: str = "") -> Connection:
    """Return a connection in autocommit mode, with bounds on everything that it may wait for."""
    given = conninfo_to_dict(place.conninfo)
    options: dict[str, Any] = {key: value for key, value in _NETWORK.items() if key not in given}
    connection: Connection = psycopg.connect(
        place.conninfo, autocommit=True, prepare_threshold=2 if place.direct else None, **options
    )
    try:
        connection.adapters.register_loader("json", TextLoader)  # a result is kept, and given out, as the text it is
        if place.direct:
            connection.execute(_SESSION + (_WRITER if writes else "") + settings)
    except BaseException:
        connection.close()
        raise
    return connection


def drop(url: str) -> None:
    """Delete the ledger's schema with everything in it: a test's own, which nobody has open."""
    place = place_of(url)
    with connect(place) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {place.quoted} CASCADE".encode())
