"""What every page is made from: who looks, from where, at which ledger, and what is hidden from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

from settled.dashboard.access import Access
from settled.dashboard.redact import Redactor
from settled.ledger import Ledger
from settled.survey import Survey


class View(NamedTuple):
    """One request's."""

    root: str
    """The path of the dashboard as the browser has it, without a slash at its end."""
    access: Access
    token: str
    """What a form sends along to show that it is ours."""
    ledger: Ledger
    redactor: Redactor
    path: str = "/"
    query: Mapping[str, str] = {}

    @property
    def survey(self) -> Survey:
        """The ledger, surveyed."""
        return Survey(self.ledger)

    @property
    def writes(self) -> bool:
        """Whether the one who looks may act."""
        return self.access.role == "write"

    def at(self, path: str, query: Mapping[str, str | int] | None = None) -> str:
        """The address of a page of the dashboard."""
        asked = f"?{urlencode(query)}" if query else ""
        return quote(f"{self.root}{path}") + asked
