"""Turns what ``psycopg`` raises into the facts a ledger must tell apart: the database, the row, or a conflict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from settled.errors import LedgerFull, LedgerUnavailable
from settled.stores.base import RowRefused

BOUND_PASSED = "ST001"
"""Raised by ``in_time``, in the ledger's own SQL."""
_CONFLICTS = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_HELP = {
    "ST001": "the transaction took so long that the bound of a task in it has passed; it is tried again",
    "25006": "it is read-only, as a standby is. Name the primary in the URL",
    "3F000": "the ledger's schema is gone. Restore it, or restart the processes to begin with an empty one",
    "42P01": "the ledger's tables are gone. Restore them, or restart the processes to begin with an empty ledger",
    "42501": "this role lacks a privilege. See 'Roles' in docs/postgresql.md for what to grant",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left. Raise max_connections, or put PgBouncer before it",
    "55P03": "another session holds a lock on a task, for too long: an open transaction. Let it end",
    "57014": "the statement took longer than it may: the server is overloaded, or something holds a lock",
    "57P01": "the server is being shut down",
    "57P02": "the server crashed and is starting again",
    "57P03": "the server is starting up",
}


class Conflict(LedgerUnavailable):
    """Two transactions were in each other's way; the database took one back, which can be tried again at once."""


@contextmanager
def translate(place: str) -> Iterator[None]:
    """Raise ``LedgerUnavailable`` / ``LedgerFull``, ``Conflict`` or ``RowRefused`` for what psycopg raises inside."""
    try:
        yield
    except psycopg.Error as error:
        raise _translated(error, place) from error
    except (OverflowError, UnicodeError) as error:
        raise RowRefused(f"A value cannot be stored: {error}") from error
    except OSError as error:
        raise LedgerUnavailable(f"The ledger {place} cannot be used: {error}.") from error


def _translated(error: psycopg.Error, place: str) -> Exception:
    code = error.sqlstate or ""
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if code in _CONFLICTS:
        return Conflict(f"The ledger {place} took a transaction back: {said}.")
    if code == "53100":
        return LedgerFull(f"The disk of the ledger {place} is full: nothing was written. Free some room and try again.")
    if code not in _HELP and isinstance(error, psycopg.DataError | psycopg.IntegrityError | psycopg.ProgrammingError):
        return RowRefused(f"PostgreSQL refused a row: {said}")
    return LedgerUnavailable(f"The ledger {place} cannot be used now: {_HELP.get(code, said.rstrip('.'))}.")
