"""The looks of the SQLite store; see ``looks.Looks`` for what each promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from settled.stores import looks, queries
from settled.stores.looks import BRIEF_COLUMNS, FEW_OPEN, MANY, Counted, Ended, Scanned, Tallies, Waiting, Wanted

Query = Callable[[str, Any], list[Any]]

_SQL = {
    name: text.replace("{brief}", BRIEF_COLUMNS)
    for name, text in queries.load("sqlite_looks").items()
}  # fmt: skip
SQL = {name: text.replace("{wanted}", _SQL["wanted"]) for name, text in _SQL.items()}


class SQLiteLooks:
    """Looks through a store's reading connections, one a thread."""

    def __init__(self, query: Query, now: Callable[[], int]) -> None:
        self._query = query
        self._now = now

    def scan(self, wanted: Wanted, place: str | None, rows: int, limit: int) -> Scanned:
        kind, floor, values = self._stretch(wanted, place, rows)
        return looks.scanned(self._query(SQL[f"stretch{kind}"], {**values, "limit": limit}), floor, limit)

    def count(self, wanted: Wanted, place: str | None, rows: int) -> Counted:
        kind, floor, values = self._stretch(wanted, place, rows)
        return looks.counted(self._query(SQL[f"count{kind}"], values)[0][0], floor)

    def _stretch(self, wanted: Wanted, place: str | None, rows: int) -> tuple[str, Any, dict[str, Any]]:
        """By which index the next stretch is read, its last row (None: it ends with the table), and the values."""
        above = int(place if place is not None else self.top())
        values: dict[str, Any] = {**looks.values_of(wanted), "place": above}
        values["statuses"] = None if not wanted.statuses else ",".join(wanted.statuses)
        if looks.only_open(wanted) and self._query(SQL["open"], {"most": FEW_OPEN + 1})[0][0] <= FEW_OPEN:
            return "_open", None, values
        kind = "_failed" if looks.only_failed(wanted) else ""
        floor = self._query(SQL[f"floor{kind}"], {"place": above, "rows": rows - 1})
        return kind, floor[0] if floor else None, {**values, "floor": floor[0][0] if floor else -1}

    def top(self) -> str:
        return str(self._query(SQL["top"], ())[0][0])

    def tallies(self) -> Tallies:
        return looks.tallied(self._query(SQL["tallies"], {"most": MANY + 1})[0])

    def newest(self, rows: int) -> list[Ended]:
        return looks.ended(self._query(SQL["newest"], (rows,)))

    def waiting(self) -> list[Waiting]:
        return [Waiting(*row) for row in self._query(SQL["waiting"], {"now": self._now(), "most": MANY})]

    def running(self) -> dict[str, int]:
        return dict(self._query(SQL["running"], (MANY,)))

    def retries(self, name: str, key: str, owner: str | None) -> Sequence[str]:
        return [row[0] for row in self._query(SQL["retries"], (name, key, owner))]
