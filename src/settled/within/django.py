"""On ``django.db.connection``, or another of ``django.db.connections``."""

from __future__ import annotations

from typing import Any

from settled.errors import BadInput


def execute(connection: Any, statement: tuple[str, dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Run one statement; return its rows."""
    if connection.vendor != "postgresql":
        raise BadInput(
            f"This connection goes to {connection.vendor}, and the ledger is on PostgreSQL: a task can be submitted "
            "only in a transaction of the ledger's own database. Nothing was submitted."
        )
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
