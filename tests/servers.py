"""Finds the servers that tests need, or starts them: a real one each, else a skip that says what was missing."""

from __future__ import annotations

import os
from functools import cache

import psycopg

VARIABLE = "SETTLED_TEST_POSTGRES"
USUAL = "postgresql://postgres@127.0.0.1:5432/postgres"


@cache
def postgres() -> str | None:
    """The URL of a PostgreSQL in which schemas may be made: named by ``SETTLED_TEST_POSTGRES``, or a usual one."""
    for url in filter(None, (os.environ.get(VARIABLE), USUAL)):
        try:
            psycopg.connect(url, connect_timeout=3).close()
        except psycopg.OperationalError:
            continue
        return url
    return None
