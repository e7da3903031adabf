"""Turns what ``sqlite3`` raises into the two facts a ledger must tell apart: the database, or the row."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from settled.errors import LedgerFull, LedgerUnavailable
from settled.stores.base import RowRefused

_ROW = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeError,
)
_HELP = {
    sqlite3.SQLITE_BUSY: "another program holds its lock (a backup, a shell with an open transaction). Let it finish",
    sqlite3.SQLITE_LOCKED: "another connection holds a table's lock",
    sqlite3.SQLITE_READONLY: "it is not writable. Check the permissions of the file and of its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. Check that the folder exists and is writable",
    sqlite3.SQLITE_IOERR: "the disk reports an error. Check the disk",
    sqlite3.SQLITE_IOERR_SHORT_READ: "its log is not of this file: it was cut off, or was "
    "deleted while processes had it open. End them all, then start again",
    sqlite3.SQLITE_CORRUPT: "the file is damaged. Restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database. Give the ledger a path of its own",
}


class translate:  # noqa: N801 (it reads as a verb)
    """Raise ``LedgerUnavailable`` / ``LedgerFull`` or ``RowRefused`` for what SQLite raises inside."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, sqlite3.Error):
            raise _translated(error, self._path) from error
        if isinstance(error, (OverflowError, UnicodeError)):
            raise RowRefused(f"A value cannot be stored: {error}") from error
        if isinstance(error, OSError):
            raise LedgerUnavailable(f"The ledger {self._path} cannot be used: {error}.") from error


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _translated(error: sqlite3.Error, path: Path) -> Exception:
    detail = getattr(error, "sqlite_errorcode", 0)
    code = detail & 0xFF  # the primary code
    if code == sqlite3.SQLITE_FULL:
        return LedgerFull(f"The disk of the ledger {path} is full: nothing was written. Free some room and try again.")
    if isinstance(error, _ROW) and "closed database" not in str(error):
        return RowRefused(f"SQLite refused a row: {error}")
    said = _HELP.get(detail) or _HELP.get(code, str(error))
    return LedgerUnavailable(f"The ledger {path} cannot be used now: {said}. Nothing was written.")
