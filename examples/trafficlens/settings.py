"""What the environment says: where the ledger and the site are, and how long things may take."""

from __future__ import annotations

import os


def _number(name: str, otherwise: float) -> float:
    return float(os.environ.get(name) or otherwise)


LEDGER = os.environ.get("LEDGER") or "sqlite:///trafficlens.db"
SOURCE = os.environ.get("TRAFFIC_SOURCE") or ""
"""The site that is read; the stand-in if there is none."""
SITE_PORT = int(_number("TRAFFIC_SITE_PORT", 0))
"""Where the stand-in listens; 0 is any free port."""

FRESH_FOR = _number("TRAFFIC_FRESH_FOR", 30 * 86_400)  # seconds, and so are the next three
RETRY_AFTER = _number("TRAFFIC_RETRY_AFTER", 60)
TIMEOUT = _number("TRAFFIC_TIMEOUT", 10)
START_TIMEOUT = _number("TRAFFIC_START_TIMEOUT", 600)
AT_ONCE = int(_number("TRAFFIC_AT_ONCE", 6))  # pages
MEMORY_LIMIT = int(_number("TRAFFIC_MEMORY_LIMIT", 128 << 20))  # bytes, of each process that reads one
