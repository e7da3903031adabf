"""Bugs in what holds tasks together, planted as in ``bugs``: the latest value of a key, batches, lanes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

from settled.records import LatestRow, Snapshot, Verdict
from settled.states import Status
from settled.stores.base import BatchState, Claim, Refresh
from settled.stores.sqlite_lanes import Lane
from settled.writer import Writer
from tests.simulation import stand_ins
from tests.simulation.batch_reads import BatchReads
from tests.simulation.bug import Bug, Plants
from tests.simulation.database import Database
from tests.simulation.lanes import Lanes
from tests.simulation.latest_rows import LatestRows

UNTOLD = "who waited was not told, though somebody could"


def _looked_then_started() -> Plants:
    def may_start(self: LatestRows, now: int, row: LatestRow, item: Refresh) -> bool:
        return True  # whoever looked has seen that it may

    return [(LatestRows, "may_start", may_start)]


def _crash_that_no_key_tells() -> Plants:
    ended = LatestRows.ended

    def by_its_function(self: LatestRows, task: Snapshot, verdict: Verdict) -> None:
        if not verdict.expiry:
            ended(self, task, verdict)

    return [(LatestRows, "ended", by_its_function)]


def _failure_that_empties_the_value() -> Plants:
    ended = LatestRows.ended

    def emptied(self: LatestRows, task: Snapshot, verdict: Verdict) -> None:
        ended(self, task, verdict)
        key = (task.name, str(task.latest))
        if task.reason is not None and key in self.rows:
            self.rows[key] = self.rows[key]._replace(value=None, got_at=None)

    return [(LatestRows, "ended", emptied)]


def _counted_by_workers_alone() -> Plants:
    settle, states = Database._settle, BatchReads.states
    uncounted = WeakKeyDictionary[Database, set[str]]()

    def settled(self: Database, now: int, v: Verdict) -> bool:
        won = settle(self, now, v)
        if won and v.expiry and v.status is not Status.PENDING:
            uncounted.setdefault(self, set()).add(v.id)
        return won

    def counted(self: BatchReads, batch: str) -> list[BatchState]:
        found = states(self, batch)
        if any(row.batch == batch and row.id in uncounted.get(self._reach(), ()) for row in self._of(batch)):
            return [state._replace(status="running") if state.status == "failed" else state for state in found]
        return found

    return [(Database, "_settle", settled), (BatchReads, "states", counted)]


def _batch_in_several_commits() -> Plants:
    put = Writer.write_all

    def one_by_one(self: Writer, verb: str, payloads: Any, patience: float) -> list[Any]:
        if verb != "insert_batch":
            return put(self, verb, payloads, patience)
        return [[put(self, "insert", [new], patience)[0] for new in news] for news in payloads]

    return [(Writer, "write_all", one_by_one)]


def _limit_counted_by_each_process() -> Plants:
    def room(self: Lanes, lane: Lane, now: int, most: int) -> int:
        worker = stand_ins.world.host.ledger.worker  # type: ignore[union-attr]
        rows = self._database.rows.values()
        mine = sum(r.status is Status.RUNNING and r.lane == lane.lane and r.worker == worker for r in rows)
        return lane._replace(running=mine).room(now, most)

    return [(Lanes, "room", room)]


def _rate_that_a_retry_does_not_heed() -> Plants:
    waiting = Lanes._waiting

    def claimable(
        self: Lanes, now: int, claim: Claim, names: frozenset[str], wanted: str | None
    ) -> Iterator[list[Snapshot]]:
        again = [
            row for row in self._database.rows.values()
            if row.lane is not None and row.attempt and row in waiting(self, now, str(row.lane), names, wanted)
        ]  # fmt: skip
        if again and again[0].lane_places is None:
            yield again[: claim.limit]
        else:
            yield from heeding(self, now, claim, names, wanted)

    heeding = Lanes.claimable
    return [(Lanes, "claimable", claimable)]


OF_GROUPS: dict[str, Bug] = {
    "a refresh begun on what was seen before": Bug(
        "caches by hand: a look, then a start if it was missing, with nothing between two that look at once",
        _looked_then_started, ("a second refresh of a key was started", "a fresh value was refreshed"),
    ),
    "a refresh whose crash its key is not told": Bug(
        "the published pattern by hand: last_error is written where the function raised, and nowhere else",
        _crash_that_no_key_tells, ("a key waits for a refresh that has settled",),
    ),
    "a refresh that fails and empties its key": Bug(
        "caches that are cleared before they are filled again", _failure_that_empties_the_value,
        ("a good value was lost",),
    ),
    "a batch that only its workers count down": Bug(
        "counters of groups and chords: a task whose worker is lost is never counted, and the group never ends",
        _counted_by_workers_alone, (UNTOLD, "a wait did not end"),
    ),
    "a batch submitted task by task": Bug(
        "loops over submit: what was submitted before the crash is there, and nobody knows of the rest",
        _batch_in_several_commits, ("a part of a batch is there",),
    ),
    "a limit that each process counts for itself": Bug(
        "semaphores in the worker's memory, as most queues' concurrency is", _limit_counted_by_each_process,
        ("more run at once than their limit",),
    ),
    "a rate that further attempts do not heed": Bug(
        "rate limits at the submit, or around the first call alone", _rate_that_a_retry_does_not_heed,
        ("two started sooner after each other than their limit",),
    ),
}  # fmt: skip
