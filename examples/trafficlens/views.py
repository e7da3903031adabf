"""Makes ``traffic_latest``, the pattern's table for people who read with plain SQL, as a view of the ledger."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

_SQL = Path(__file__).with_name("sql")


def create(ledger: str) -> None:
    """Create the view beside ``task_results``, or replace it."""
    if ledger.startswith("sqlite:"):
        with closing(sqlite3.connect(Path(ledger.removeprefix("sqlite:///")).expanduser(), timeout=10)) as database:
            database.executescript(_text("sqlite"))
        return
    import psycopg  # only who has a ledger there needs it

    parts = urlsplit(ledger)
    settings = parse_qs(parts.query)
    schema = settings.pop("schema", ["settled"])[0]
    settings.pop("direct", None)  # the library's own, like schema
    line = urlunsplit(parts._replace(query="&".join(f"{name}={value[0]}" for name, value in settings.items())))
    with psycopg.connect(line, options=f"-c search_path={schema}") as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('traffic_latest'))")
        connection.execute(_text("postgres"))


def _text(store: str) -> str:
    return (_SQL / f"traffic_latest.{store}.sql").read_text("utf-8")
