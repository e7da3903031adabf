"""The work that every side does: nothing, with a result of about 200 bytes."""

from __future__ import annotations

import asyncio
import random
import time

RESULT = {
    "url": "https://example.org/some/page.html",
    "status": 200,
    "title": "An example page that has a title of usual length",
    "size": 48_213,
    "links": 37,
    "seconds": 0.184,
    "language": "en",
    "etag": "33a64df551425fcc55e4d42a148795d9",
}


async def nothing(number: int) -> dict[str, object]:
    """Return the result at once."""
    return RESULT


async def stamped() -> dict[str, object]:
    """Take a third of a second or so, and return when that ended on the machine's monotonic clock."""
    await asyncio.sleep(random.uniform(0.2, 0.5))
    return {**RESULT, "ended": time.clock_gettime(time.CLOCK_MONOTONIC)}
