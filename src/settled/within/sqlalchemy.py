"""On an SQLAlchemy Session or Connection, sync or async, whatever driver is below it."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import TextClause, text

from settled.errors import BadInput

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def execute(connection: Any, statement: tuple[str, dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Run one statement; return its rows."""
    _check(connection)
    return [tuple(row) for row in connection.execute(_clause(statement[0]), statement[1]).all()]


async def aexecute(connection: Any, statement: tuple[str, dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The same on an event loop."""
    _check(connection)
    return [tuple(row) for row in (await connection.execute(_clause(statement[0]), statement[1])).all()]


def _clause(sql: str) -> TextClause:
    return text(_PLACEHOLDER.sub(r":\1", sql))


def _check(connection: Any) -> None:
    bind = connection.get_bind() if hasattr(connection, "get_bind") else connection
    if bind.dialect.name != "postgresql":
        raise BadInput(
            f"This connection goes to {bind.dialect.name}, and the ledger is on PostgreSQL: a task can be submitted "
            "only in a transaction of the ledger's own database. Nothing was submitted."
        )
