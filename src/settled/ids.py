"""Task ids: UUID version 7 (RFC 9562, section 5.7), time-ordered and impossible to guess.

An id carries the instant of its creation, so that an id older than the retention can be told
from one that never was, with no tombstones to keep. 74 of its 128 bits are random.
"""

from __future__ import annotations

import os
import re

from settled.errors import BadTaskId

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")


def new_id(now_ms: int) -> str:
    """Return a fresh id for the instant ``now_ms`` (milliseconds since the Unix epoch)."""
    return new_ids(now_ms, 1)[0]


def new_ids(now_ms: int, count: int) -> list[str]:
    """Return ``count`` fresh ids for one instant."""
    stamp = f"{now_ms & 0xFFFFFFFFFFFF:012x}"
    noise = os.urandom(10 * count).hex()
    head = f"{stamp[:8]}-{stamp[8:]}-7"
    return [
        f"{head}{n[:3]}-{_VARIANT[n[3]]}{n[4:7]}-{n[7:19]}"
        for n in (noise[start : start + 20] for start in range(0, 20 * count, 20))
    ]


def created_ms(task_id: str) -> int:
    """Return the instant that an id carries, in milliseconds; raise ``BadTaskId`` for any other text."""
    if not isinstance(task_id, str) or not _SHAPE.match(task_id):
        shown = repr(task_id)[:60]
        raise BadTaskId(
            f"{shown} is no task id: an id is a UUID of version 7 in lower case, as returned by submit. "
            "Check that the whole id was passed on."
        )
    return int(task_id[:8] + task_id[9:13], 16)
