"""Lanes on SQLite: how much room each has, counted in the rows inside the one writing transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from settled.stores.base import (
    EXPIRY_MARGIN_MS,
    PUBLISH_AFTER_MS,
    PUBLISH_SOON_MS,
    PUBLISH_WITHIN_MS,
    Claim,
    Publish,
)
from settled.stores.sqlite_statements import SQL

TOGETHER_US = 100_000
"""Starts whose gap is shorter are counted together over this time: an engine looks for work so often."""
Rows = list[Any]


class Lane(NamedTuple):
    """A lane in which a task waits."""

    lane: str
    due_at: int
    places: int | None
    gap_us: int | None
    running: int
    next_us: int
    told: int

    def room(self, now: int, most: int) -> int:
        """How many of its tasks may start at this instant, up to ``most``."""
        room = most if self.places is None else min(most, self.places - self.running)
        if self.gap_us is not None:
            first = max(self.next_us, now * 1000)
            last = now * 1000 + self.slack_us
            room = 0 if first > last else min(room, (last - first) // self.gap_us + 1)
        return max(0, room)

    @property
    def slack_us(self) -> int:
        """By how much a start may come before its turn."""
        return max(0, TOGETHER_US - (self.gap_us or TOGETHER_US))

    def ready_at(self) -> int | None:
        """When its next task may start, in milliseconds; None while it is full."""
        if self.places is not None and self.running >= self.places:
            return None
        return max(self.due_at, -((self.slack_us - self.next_us) // 1000) if self.gap_us is not None else 0)


def claim(cursor: sqlite3.Cursor, now: int, asked: Claim) -> Rows:
    """Move tasks of lanes to running, the longest waiting first, as far as their lanes have room; or one by its id."""
    wanted = asked.ids[0] if asked.ids else None
    values = {"worker": asked.worker, "names": asked.names, "id": wanted, "now": now, "margin": EXPIRY_MARGIN_MS}
    which = "lanes" if wanted is None else "lane_of"
    claimed: Rows = []
    for lane in _lanes(cursor, which, values):
        room = lane.room(now, asked.limit - len(claimed)) if lane.due_at <= now else 0
        if room:
            taken = cursor.execute(SQL["claim_lane"], {**values, "lane": lane.lane, "room": room}).fetchall()
            claimed += taken
            if taken and lane.gap_us is not None:
                next_us = max(lane.next_us, now * 1000) + len(taken) * lane.gap_us
                cursor.execute(SQL["lane_took"], {"lane": lane.lane, "next_us": next_us})
        elif wanted is not None and lane.due_at <= now:
            cursor.execute(SQL["lane_was_full"], {"id": wanted, "soon": now + PUBLISH_SOON_MS})
        if len(claimed) >= asked.limit:
            break
    return claimed


def publish(cursor: sqlite3.Cursor, now: int, asked: Publish) -> Rows:
    """Take the tasks of lanes that an engine is to be told of: no more than may start."""
    values = {"names": asked.names, "now": now, "after": PUBLISH_AFTER_MS, "within": PUBLISH_WITHIN_MS}
    taken: Rows = []
    for lane in _lanes(cursor, "lanes", {**values, "id": None}):
        if lane.due_at <= now and len(taken) < asked.limit:
            room = min(lane.room(now, MOST) - lane.told, asked.limit - len(taken))
            if room > 0:
                taken += cursor.execute(SQL["publish_lane"], {**values, "lane": lane.lane, "room": room}).fetchall()
    return taken


def next_in(rows: Sequence[Sequence[Any]]) -> int | None:
    """When the next task in any of these lanes may start."""
    ready = [at for row in rows if (at := Lane(*row).ready_at()) is not None]
    return min(ready, default=None)


MOST = 1_000_000


def _lanes(cursor: sqlite3.Cursor, which: str, values: dict[str, Any]) -> list[Lane]:
    """Read to the end before any of them is changed."""
    return [Lane(*row) for row in cursor.execute(SQL[which], values).fetchall()]
