"""The looks of the PostgreSQL store; see ``looks.Looks`` for what each promises.

On a connection of their own, made when somebody first looks: what a person searches must not hold up who waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from settled.stores import looks, queries
from settled.stores.looks import BRIEF_COLUMNS, FEW_OPEN, MANY, Counted, Ended, Scanned, Tallies, Waiting, Wanted
from settled.stores.postgres_rows import texts

Query = Callable[..., list[tuple[Any, ...]]]
"""Gets a statement's name, and its values by name."""


def statements(schema: str) -> dict[str, str]:
    """The looks' statements for one schema, by name."""
    loaded = queries.load("postgres_looks")
    filled = {"{brief}": BRIEF_COLUMNS, "{wanted}": loaded["wanted"], "{schema}": schema}
    for mark, text in filled.items():
        loaded = {name: body.replace(mark, text) for name, body in loaded.items()}
    return {f"look_{name}": body for name, body in loaded.items()}


class PostgresLooks:
    """Looks through a query that a store gives."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def scan(self, wanted: Wanted, place: str | None, rows: int, limit: int) -> Scanned:
        kind, floor, values = self._stretch(wanted, place, rows)
        return looks.scanned(self._ask(f"stretch{kind}", **values, limit=limit), floor, limit)

    def count(self, wanted: Wanted, place: str | None, rows: int) -> Counted:
        kind, floor, values = self._stretch(wanted, place, rows)
        return looks.counted(self._ask(f"count{kind}", **values)[0][0], floor)

    def _stretch(self, wanted: Wanted, place: str | None, rows: int) -> tuple[str, Any, dict[str, Any]]:
        """By which index the next stretch is read, its last row (None: it ends with the table), and the values."""
        above = place if place is not None else self.top()
        values: dict[str, Any] = {**looks.values_of(wanted), "place": above}
        values["statuses"] = texts(wanted.statuses) if wanted.statuses else None
        if looks.only_open(wanted) and self._ask("open", most=FEW_OPEN + 1)[0][0] <= FEW_OPEN:
            return "_open", None, values
        kind = "_failed" if looks.only_failed(wanted) else ""
        floor = self._ask(f"floor{kind}", place=above, rows=rows - 1)
        return kind, floor[0] if floor else None, {**values, "floor": floor[0][0] if floor else ""}

    def top(self) -> str:
        return str(self._ask("top")[0][0])

    def tallies(self) -> Tallies:
        return looks.tallied(self._ask("tallies", most=MANY + 1)[0])

    def newest(self, rows: int) -> list[Ended]:
        return looks.ended(self._ask("newest", rows=rows))

    def waiting(self) -> list[Waiting]:
        return [Waiting._make(row) for row in self._ask("waiting", most=MANY)]

    def running(self) -> dict[str, int]:
        return dict(self._ask("running", most=MANY))

    def retries(self, name: str, key: str, owner: str | None) -> Sequence[str]:
        return [row[0] for row in self._ask("retries", name=name, key=key, owner=owner)]

    def _ask(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self._query(f"look_{statement}", **values)
