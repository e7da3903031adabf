"""Figures for a domain: derived from its popularity where that is known, made up from its name where not."""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

MONTHS = 12
VISITS_AT_ONE = 40e9  # of a site whose popularity is 1
DERIVED = "derived from a popularity of 2018, not measured"
MADE_UP = "made up from the name, not measured"
SOURCES = ("direct", "search", "social", "referrals", "mail", "ads")
_CSV = Path(__file__).with_name("sites.csv")


@dataclass(frozen=True)
class Figures:
    """What the site says of a domain; ``duration`` in seconds, ``bounce`` and ``sources`` as fractions of 1."""

    domain: str
    category: str
    basis: str
    duration: int
    bounce: float
    pages: float
    sources: Mapping[str, float]
    history: Mapping[str, int]  # visits, by month, the oldest first

    @property
    def visits(self) -> int:
        return list(self.history.values())[-1]

    @property
    def growth(self) -> float:
        before, last = list(self.history.values())[-2:]
        return last / before - 1


@dataclass(frozen=True)
class Site:
    """One line of ``sites.csv``; popularity 0 where none is known."""

    domain: str
    category: str
    popularity: float


def read_sites() -> dict[str, Site]:
    """Every site, by its domain, the most popular first."""
    with _CSV.open(encoding="utf-8", newline="") as file:
        sites = (Site(row["domain"], row["category"], float(row["popularity"] or 0)) for row in csv.DictReader(file))
        return {site.domain: site for site in sites}


def figures_of(site: Site, today: date | None = None) -> Figures:
    """The same figures for the same site in the same month."""
    dice = random.Random(hashlib.sha256(site.domain.encode()).digest())
    visits = site.popularity * VISITS_AT_ONE if site.popularity else 10 ** dice.uniform(5.3, 7.5)
    history = _history(visits, dice, today or datetime.now(UTC).date())
    weights = [dice.uniform(0.25, 0.6), dice.uniform(0.2, 0.6), *(dice.expovariate(15) for _ in range(4))]
    return Figures(
        domain=site.domain,
        category=site.category,
        basis=DERIVED if site.popularity else MADE_UP,
        duration=round(dice.lognormvariate(5.2, 0.5)),
        bounce=round(dice.betavariate(6, 7), 4),
        pages=round(1.3 + dice.gammavariate(2.2, 1.2), 2),
        sources={name: round(weight / sum(weights), 4) for name, weight in zip(SOURCES, weights, strict=True)},
        history=history,
    )


def _history(visits: float, dice: random.Random, today: date) -> dict[str, int]:
    """Twelve months that end with the last whole one: a trend, a season and some noise."""
    trend, season, shift = dice.gauss(0.004, 0.02), dice.uniform(0, 0.1), dice.randrange(12)
    last = today.year * 12 + today.month - 2
    told = {}
    for back in reversed(range(MONTHS)):
        year, month = divmod(last - back, 12)
        wave = season * (abs((month + shift) % 12 - 6) / 3 - 1)
        told[f"{year}-{month + 1:02}"] = max(1, round(visits * (1 - trend * back) * (1 + wave + dice.gauss(0, 0.02))))
    return told
