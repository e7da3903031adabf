"""On a psycopg connection, sync or async, whatever its row factory."""

from __future__ import annotations

from typing import Any

from psycopg.rows import tuple_row


def execute(connection: Any, statement: tuple[str, dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Run one statement; return its rows."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows: list[tuple[Any, ...]] = cursor.execute(*statement).fetchall()
        return rows


async def aexecute(connection: Any, statement: tuple[str, dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The same on an event loop."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(*statement)
        rows: list[tuple[Any, ...]] = await cursor.fetchall()
        return rows
