"""Reads a file of named, described SQL statements."""

from __future__ import annotations

import re
from importlib import resources

from settled.records import LatestRow, Snapshot

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
TASK_COLUMNS = ", ".join(field for field in Snapshot._fields if field != "as_of")
LATEST_COLUMNS = ", ".join(field for field in LatestRow._fields if field != "as_of")


def load(dialect: str) -> dict[str, str]:
    """Return the statements of ``sql/<dialect>.sql`` by their names, ``{task}`` and ``{latest}`` filled in."""
    text = (resources.files("settled.stores") / "sql" / f"{dialect}.sql").read_text("utf-8")
    parts = _NAME.split(text)[1:]
    return {name: _strip(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def migrations(dialect: str) -> list[tuple[int, str]]:
    """Return ``(number, statements)`` of every migration of a dialect, in order."""
    folder = resources.files("settled.stores") / "sql" / "migrations"
    found = [
        (int(file.name[:4]), file.read_text("utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(f".{dialect}.sql")
    ]
    return sorted(found)


def _strip(body: str) -> str:
    lines = [line for line in body.splitlines() if not line.startswith("--")]
    text = "\n".join(lines).strip().rstrip(";")
    return text.replace("{task}", TASK_COLUMNS).replace("{latest}", LATEST_COLUMNS)
