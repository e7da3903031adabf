"""Finds the store that a ledger's URL names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from settled.clock import Clock
from settled.errors import BadLedgerUrl
from settled.stores.base import Store
from settled.stores.sqlite import SQLiteStore

_FILE = re.compile(r"/(?!.*:memory:)[^?#\0]+\Z", re.DOTALL)
"""A path behind a slash; settings of a connection are not the application's to choose."""


def store_of(url: str, clock: Clock | None = None) -> Store:
    """Return the store of a URL, not yet opened: ``sqlite:///relative.db``, ``sqlite:////absolute/path.db``
    or ``postgresql://user@host/database?schema=app_tasks``. A clock can only be SQLite's: a server has its own."""
    scheme, separator, rest = str(url).partition("://")
    if scheme == "postgresql" and separator:
        if clock is not None:
            raise BadLedgerUrl("A ledger on PostgreSQL goes by its server's clock. Use SQLite where a test moves time.")
        return _postgres(str(url))
    if scheme == "sqlite" and separator and _FILE.match(rest):
        return SQLiteStore(checked(Path(rest[1:]).expanduser()), clock)
    raise BadLedgerUrl(
        f"{url!r} names no ledger. Use sqlite:///tasks.db (a file in the working directory), "
        "sqlite:////var/lib/app/tasks.db (an absolute path, four slashes) or postgresql://user@host/database. "
        "A database in memory cannot keep a promise."
    )


def _postgres(url: str) -> Store:
    try:
        from settled.stores.postgres import PostgresStore  # its driver is an extra
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "psycopg":
            raise
        raise BadLedgerUrl(
            f"A ledger on PostgreSQL needs psycopg, which cannot be imported ({error}). "
            "Get it with: pip install 'psycopg[binary]'"
        ) from error
    return PostgresStore(url)


def checked(path: Path) -> Path:
    """Return the path if a database can be opened or made there; raise ``BadLedgerUrl`` otherwise."""
    path = path.absolute()
    folder = path.parent
    if not folder.is_dir():
        raise BadLedgerUrl(
            f"The ledger {path} cannot be made: its folder {folder} does not exist. Make it, or correct the URL."
        )
    if path.is_dir():
        raise BadLedgerUrl(f"The ledger {path} is a folder. Name a file in it.")
    if not os.access(path if path.exists() else folder, os.W_OK) or not os.access(folder, os.W_OK):
        raise BadLedgerUrl(
            f"The ledger {path} is not writable by this user. SQLite writes the file and its folder: check both."
        )
    return path
