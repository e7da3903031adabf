"""Finds the PostgreSQL that tests need, or starts one: a real one each time, else a skip that says what was missing.

Run as a program it says whether there is one, for ``make test`` to install what is missing.
"""

from __future__ import annotations

import atexit
import os
import sys
from functools import cache
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.postgres.server import Server, programs

VARIABLE = "SETTLED_TEST_POSTGRES"
USUAL = "postgresql://postgres@127.0.0.1:5432/postgres"
MISSING = (
    f"no PostgreSQL: {VARIABLE} names none, none answers as superuser at {USUAL}, and its programs (initdb) are not "
    "installed. On Debian: tools/apt.sh postgresql"
)


def postgres() -> str:
    """The URL of a PostgreSQL, as a superuser of it: named by the environment, a usual one, or one of this process."""
    found = _postgres()
    if found is None:
        pytest.skip(MISSING)
    return found


@cache
def _postgres() -> str | None:
    named = os.environ.get(VARIABLE)
    for url in [named] if named else [USUAL]:
        if _is_superuser(url):
            return url
    if named or programs() is None:
        return None
    server = Server().make()
    atexit.register(server.close)
    return server.url()


def _is_superuser(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute("SELECT current_setting('is_superuser')").fetchone()
    except psycopg.Error:
        return False
    return row == ("on",)


if __name__ == "__main__":
    from tests.postgres.pooler import program

    if not (_is_superuser(os.environ.get(VARIABLE) or USUAL) or programs()):
        sys.exit(MISSING)
    if program() is None:
        sys.exit("no pgbouncer")
