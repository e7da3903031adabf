"""Waits for descriptors, however many a process has open."""

from __future__ import annotations

import select
from collections.abc import Collection


def readable(descriptors: Collection[int], seconds: float) -> set[int]:
    """Which of them have something to read, or were closed at the other end, after at most so many seconds."""
    poll = select.poll()  # ``select.select`` knows none from 1,024 on
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(max(0, round(seconds * 1000)))}
