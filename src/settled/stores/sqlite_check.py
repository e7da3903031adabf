"""Checks a SQLite ledger's settings: durability, the protections of its tables, and its files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from settled.records import Finding
from settled.stores import disk_check, sqlite_open

BIG_LOG_BYTES = 256 * 1_048_576
_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


def findings(connection: sqlite3.Connection, path: Path, sql: dict[str, str], *, deep: bool) -> list[Finding]:
    """Return what is found; ``deep`` reads the whole file."""
    found = [_durability(connection), *_protections(connection, sql), _sizes(path), *disk_check.findings(path)]
    return [*found, _integrity(connection)] if deep else found


def _durability(connection: sqlite3.Connection) -> Finding:
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = _SYNCHRONOUS[connection.execute("PRAGMA synchronous").fetchone()[0]]
    said = f"journal_mode={mode}, synchronous={synchronous}"
    if mode == "wal" and synchronous in ("FULL", "EXTRA"):
        return Finding("ok", "durability", f"{said}: what was submitted survives a power cut.")
    return Finding(
        "broken",
        "durability",
        f"{said}, where wal and FULL are needed: a power cut may lose tasks. Find out what changed it.",
    )


def _protections(connection: sqlite3.Connection, sql: dict[str, str]) -> list[Finding]:
    """Compare the tables, indexes and triggers with those that the migrations make."""
    there = {name: (kind, _plain(text)) for kind, name, text in connection.execute(sql["schema"])}
    ours = {name: (kind, _plain(text)) for kind, name, text in sqlite_open.expected_schema(sql)}
    found = []
    for name, (kind, text) in ours.items():
        if there.get(name) != (kind, text):
            what = "has been changed" if name in there else "is missing"
            guards = kind == "trigger" or "UNIQUE" in text
            loss = (
                "so the database no longer refuses what must not happen"
                if guards
                else "so it may be slow, or hold what it should not"
            )
            help_ = "Restore it from the migration in settled/stores/sql/migrations, and find out who changed it."
            found.append(
                Finding("broken" if guards else "warning", "protections", f"The {kind} {name} {what}, {loss}. {help_}")
            )
    for name, (kind, _) in there.items():
        if kind == "trigger" and name not in ours:
            found.append(
                Finding(
                    "warning", "protections", f"The trigger {name} is not settled's; it may stop a task from settling."
                )
            )
    return found or [Finding("ok", "protections", "The tables, indexes and triggers are those that settled made.")]


def _sizes(path: Path) -> Finding:
    file, log = _bytes(path), _bytes(path.with_name(path.name + "-wal"))
    said = f"{file / 1_048_576:,.1f} MiB, and {log / 1_048_576:,.1f} MiB of write-ahead log."
    if log > BIG_LOG_BYTES:
        return Finding(
            "warning",
            "size",
            f"{said} A reader keeps it from being folded in: a backup, or a shell with an open transaction.",
        )
    return Finding("ok", "size", said)


def _integrity(connection: sqlite3.Connection) -> Finding:
    said = [row[0] for row in connection.execute("PRAGMA quick_check(10)")]
    if said == ["ok"]:
        return Finding("ok", "integrity", "PRAGMA quick_check found nothing.")
    return Finding(
        "broken",
        "integrity",
        f"The file is damaged: {'; '.join(said)}. Stop every process and restore it from a backup.",
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
