"""The traffic of a domain, as the latest value of a key: fetched once at a time, kept, and never lost to a failure."""

from __future__ import annotations

import os
from typing import Any

from settled import Tasks
from trafficlens import settings
from trafficlens.domains import domain_of
from trafficlens.scrape import scrape

tasks = Tasks(settings.LEDGER, processes=settings.AT_ONCE, drain=2)


@tasks.latest(
    fresh_for=settings.FRESH_FOR, retry_after=settings.RETRY_AFTER, key=domain_of,
    timeout=settings.TIMEOUT, start_timeout=settings.START_TIMEOUT,
    isolation="process", memory_limit=settings.MEMORY_LIMIT,
)  # fmt: skip
def traffic(domain: str) -> dict[str, Any]:
    """A page is read in a process of its own, which can be ended, whatever is in the page."""
    return scrape(os.environ.get("TRAFFIC_SOURCE") or settings.SOURCE, domain)
