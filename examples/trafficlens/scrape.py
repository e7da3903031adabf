"""Reads a domain's page and returns its figures; every way in which that goes wrong is said in plain words.

It reads whatever is sent and sets no limits of its own: for time and memory the task's hold, from outside.
"""

from __future__ import annotations

import gzip
import http.client
import json
import urllib.error
import urllib.request
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

from settled import PublicError, TryLater

METRICS = {"visits": int, "growth": float, "duration": float, "bounce": float, "pages": float}


def scrape(source: str, domain: str) -> dict[str, Any]:
    """Return the figures of a domain, with ``visits`` None if the site has none of it."""
    found = _Finder()
    found.feed(_fetch(f"{source.rstrip('/')}/website/{quote(domain)}"))
    return figures(domain, found)


def _fetch(url: str) -> str:
    request = urllib.request.Request(url, headers={"Accept": "text/html", "Accept-Encoding": "gzip"})
    try:
        with urllib.request.urlopen(request) as response:
            packed = response.headers.get("Content-Encoding") == "gzip"
            return (gzip.decompress(response.read()) if packed else response.read()).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (429, 503) and (seconds := error.headers.get("Retry-After", "")).isdigit():
                raise TryLater(int(seconds), "The site is busy, and said when to come back.") from None
        raise PublicError(f"The site answered {error.code} {error.reason}.") from None
    except urllib.error.URLError:
        raise PublicError("The site cannot be reached.") from None
    except (http.client.HTTPException, EOFError, OSError):
        raise PublicError("The site’s answer broke off in the middle.") from None


def figures(domain: str, found: _Finder) -> dict[str, Any]:
    """The figures as they are stored; raise ``PublicError`` if the page does not have them."""
    nothing = {"domain": domain, "visits": None}
    if "nothing" in found.metrics:
        return nothing
    try:
        numbers = {name: kind(found.metrics[name]) for name, kind in METRICS.items()}
        sources = {name: float(share) for name, share in found.sources.items()}
        history = [[month, int(visits)] for month, visits in sorted(found.months.items())]
    except (KeyError, ValueError):
        raise PublicError("The page has changed its layout: the figures are not where they were.") from None
    more = {name: found.metrics.get(name, "") for name in ("category", "basis")}
    return {**nothing, **numbers, "sources": sources, "history": history, **more}


class _Finder(HTMLParser):
    """Collects what the page marks as a metric, a source or a month."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.months: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        marks = dict(attrs)
        for mark, found in (("data-metric", self.metrics), ("data-source", self.sources), ("data-month", self.months)):
            if name := marks.get(mark):
                found[name] = marks.get("data-value") or ""


if __name__ == "__main__":
    import sys

    print(json.dumps(scrape(*sys.argv[1:]), indent=2))
