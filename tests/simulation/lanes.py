"""Lanes in the database of a make-believe world: how much room each has, and who may start next in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from settled.records import Snapshot
from settled.states import Status
from settled.stores.base import PUBLISH_SOON_MS, Claim, Publish
from settled.stores.sqlite_lanes import MOST, Lane, next_in


class Lanes:
    """Over the rows of a database; a rate is remembered as the instant (µs) of its next start."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.next_us: dict[str, int] = {}

    def claimable(self, now: int, claim: Claim, names: frozenset[str], wanted: str | None) -> Iterator[list[Snapshot]]:
        """Of each lane what may start now; whoever takes it goes on to ask for the next."""
        lanes = self._lanes(now, names) if wanted is None else self._lane_of(wanted)
        left = claim.limit
        for lane in lanes:
            due = lane.due_at <= now
            room = self.room(lane, now, left) if due else 0
            rows = self._waiting(now, lane.lane, names, wanted)[:room]
            if rows:
                left -= len(rows)
                if lane.gap_us is not None:
                    self.next_us[lane.lane] = max(lane.next_us, now * 1000) + len(rows) * lane.gap_us
                yield rows
            elif not room and wanted is not None and due:
                self._full(wanted, now + PUBLISH_SOON_MS)
            if left <= 0:
                return

    def room(self, lane: Lane, now: int, most: int) -> int:
        """How many of a lane's tasks may start."""
        return lane.room(now, most)

    def to_publish(self, now: int, publish: Publish, names: frozenset[str], limit: int) -> list[Snapshot]:
        """What an engine is to be told of: no more than may start."""
        taken: list[Snapshot] = []
        turns = self._database.turns
        for lane in self._lanes(now, names):
            if lane.due_at <= now and len(taken) < limit:
                room = min(lane.room(now, MOST) - lane.told, limit - len(taken))
                rows = [row for row in self._waiting(now, lane.lane, names, None) if (turns[row.id] or 0) <= now]
                taken += rows[: max(0, room)]
        return taken

    def next_start(self, now: int, names: frozenset[str]) -> int | None:
        """When the next task that waits in a lane may start."""
        return next_in(self._lanes(now, names))

    def waits(self) -> bool:
        """Whether any task waits in a lane."""
        return any(row.lane is not None and row.status is Status.PENDING for row in self._database.rows.values())

    def forget(self, now: int) -> None:
        """Rates that have no say any more."""
        self.next_us = {lane: next_us for lane, next_us in self.next_us.items() if next_us >= now * 1000}

    def _lanes(self, now: int, names: frozenset[str]) -> list[Lane]:
        heads: dict[str, Snapshot] = {}
        for row in self._database.rows.values():
            if row.lane is not None and row.status is Status.PENDING and row.deadline_at > now and row.name in names:
                head = heads.get(row.lane)
                if head is None or row.due_at < head.due_at:
                    heads[row.lane] = row
        return [self._lane(row, now) for row in sorted(heads.values(), key=lambda row: (row.due_at, row.lane))]

    def _lane_of(self, task_id: str) -> list[Lane]:
        row = self._database.rows.get(task_id)
        waits = row is not None and row.status is Status.PENDING and row.lane is not None
        return [self._lane(row, None)] if waits else []

    def _lane(self, head: Snapshot, now: int | None) -> Lane:
        rows = [row for row in self._database.rows.values() if row.lane == head.lane]
        running = sum(row.status is Status.RUNNING for row in rows)
        turns = self._database.turns
        told = 0 if now is None else sum(
            row.status is Status.PENDING and (turns[row.id] or 0) > now >= row.due_at for row in rows
        )  # fmt: skip
        lane = str(head.lane)
        places, gap = head.lane_places, head.lane_gap_us
        return Lane(lane, head.due_at, places, gap, running, self.next_us.get(lane, 0), told)

    def _waiting(self, now: int, lane: str, names: frozenset[str], task_id: str | None) -> list[Snapshot]:
        rows = [
            row for row in self._database.rows.values()
            if row.lane == lane and row.status is Status.PENDING and row.due_at <= now < row.deadline_at
            and row.name in names and task_id in (None, row.id)
        ]  # fmt: skip
        return sorted(rows, key=lambda row: row.due_at)

    def _full(self, task_id: str, soon: int) -> None:
        turns = self._database.turns
        turns[task_id] = soon if turns[task_id] is None else min(turns[task_id], soon)
