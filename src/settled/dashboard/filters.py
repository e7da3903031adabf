"""A filter of tasks: in the address bar, as what the ledger is asked for, and as what is left of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from settled.dashboard.redact import Redactor, as_json
from settled.json_text import decoded
from settled.ledger import Ledger
from settled.states import Reason, Status
from settled.stores.looks import BRIEFLY, Brief, Wanted
from settled.survey import Keep, likeness

STATUSES: Mapping[str, tuple[Status, ...]] = {
    "": (),
    "open": (Status.PENDING, Status.RUNNING),
    "pending": (Status.PENDING,),
    "running": (Status.RUNNING,),
    "settled": (Status.COMPLETED, Status.FAILED),
    "completed": (Status.COMPLETED,),
    "failed": (Status.FAILED,),
}
PERIODS: Mapping[str, int] = {"": 0, "15m": 900, "1h": 3_600, "6h": 21_600, "24h": 86_400, "7d": 604_800}
"""Seconds since which a task was made."""
LONGEST = 200
"""Characters of what is typed into a filter."""


class Filter(NamedTuple):
    """What is asked for; empty is any. The names are those in the address bar."""

    status: str = ""
    reason: str = ""
    name: str = ""
    q: str = ""
    period: str = ""
    worker: str = ""
    like: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        """The filter of a query; what is not understood is left out."""
        given = {field: " ".join(query.get(field, "").split())[:LONGEST] for field in cls._fields}
        known = {"status": STATUSES, "reason": [str(reason) for reason in Reason], "period": PERIODS}
        return cls(**{field: text for field, text in given.items() if field not in known or text in known[field]})

    @property
    def query(self) -> dict[str, str]:
        """The filter for an address: only what is said."""
        return {field: text for field, text in self._asdict().items() if text}

    def wanted(self, now: int) -> Wanted:
        """What the ledger is asked for at an instant."""
        return Wanted(
            STATUSES[self.status], self.reason or None, self.name or None, self.q or None, self.worker or None,
            now - PERIODS[self.period] * 1000 if self.period else None,
        )  # fmt: skip

    def narrowed(self, fits: frozenset[Status], now: int) -> Wanted | None:
        """The same for tasks in these statuses alone; None if there can be none."""
        wanted = self.wanted(now)
        statuses = tuple(status for status in wanted.statuses or Status if status in fits)
        if not statuses or (wanted.reason and Status.FAILED not in statuses):
            return None
        return wanted._replace(statuses=(Status.FAILED,) if wanted.reason else statuses)

    def keep(self, redactor: Redactor, ledger: Ledger) -> Keep | None:
        """What only a look at the row itself can tell; None where the ledger's answer is all."""
        checks: list[Callable[[Brief], bool]] = []
        if self.like:
            checks.append(lambda brief: likeness(brief.error_message or "") == self.like)
        if self.q:
            checks.append(lambda brief: _is_visible(self.q, brief, redactor, ledger))
        return (lambda brief: all(check(brief) for check in checks)) if checks else None


def _is_visible(text: str, brief: Brief, redactor: Redactor, ledger: Ledger) -> bool:
    """Whether the text is in what is shown of a task: else a search would tell, letter by letter, what is hidden."""
    sought = text.casefold()
    shown = (brief.id, brief.name, brief.key, brief.error_message, brief.progress_message)
    if any(sought in part.casefold() for part in shown if part):
        return True
    arguments = brief.arguments
    if len(arguments) == BRIEFLY["arguments"]:
        rows = ledger.store.read([brief.id])
        arguments = rows[0].arguments if rows else ""
    seen = redactor.arguments(brief.name, arguments)
    if seen == decoded(arguments):
        return True
    return sought in as_json(seen).casefold()
