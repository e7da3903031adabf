"""The database of a make-believe world: what ``stores.base`` promises, over dictionaries.

That it is one is shown by the conformance suite of the stores, and by any history of writes beside SQLite
(``conformance``). It is as long as the protocol is: a few lines for each verb.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from settled.records import NewTask, Snapshot, Verdict, WorkerRow
from settled.states import Reason, Status
from settled.stores.base import (
    EXPIRY_MARGIN_MS,
    PUBLISH_AFTER_MS,
    PUBLISH_WITHIN_MS,
    Backlog,
    Beat,
    Change,
    Claim,
    Loss,
    Progress,
    Prune,
    Publish,
    Pulse,
    Purge,
    Put,
    Refresh,
    RowRefused,
)
from settled.stores.rows import born
from tests.simulation import stand_ins
from tests.simulation.lanes import Lanes
from tests.simulation.latest_rows import LatestRows

PENDING, RUNNING, COMPLETED, FAILED = Status
OPEN = (PENDING, RUNNING)
Told = Callable[[int, str, Any, Any, Snapshot | None, Snapshot | None], None]
"""Told of each row that changes: (instant, verb, what was asked, its result, the row before, the row after)."""


@lru_cache(256)
def names_of(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))


def _least_id(now: int) -> str:
    """The first id of an instant."""
    head = f"{now & 0xFFFFFFFFFFFF:012x}"
    return f"{head[:8]}-{head[8:]}-"


def late_but_true(verdict: Verdict) -> bool:
    """Whether it counts past the bound too: what the row and the clock alone say."""
    return verdict.expiry and verdict.reason is not Reason.WORKER_LOST and verdict.status is not PENDING


class Database:
    """Tables, in memory; every method at one instant."""

    publish_after_ms = PUBLISH_AFTER_MS

    def __init__(self, told: Told = lambda *_: None) -> None:
        self.rows: dict[str, Snapshot] = {}
        self.turns: dict[str, int | None] = {}
        """``publish_at`` of each row."""
        self.keys: dict[tuple[str, str, str], str] = {}
        self.workers: dict[str, WorkerRow] = {}
        self.pulse_at = self.steady_since = self.refused = 0
        self.retention_ms = 604_800_000
        self.commits = 0
        self._told = told
        self.latest = LatestRows()
        self.lanes = Lanes(self)
        self.sent: dict[int, str] = {}
        """The ids that were given to new tasks when they were sent before."""

    # -- one transaction

    def commit(self, changes: Sequence[Change], now: int) -> list[list[Any]]:
        """Make all of the changes, or none and raise ``RowRefused``."""
        saved: Any = None
        if len(changes) > 1 or len(changes[0].rows) > 1 or changes[0].verb in ("insert_batch", "refresh"):
            saved = (
                dict(self.rows), dict(self.turns), dict(self.keys), dict(self.workers), self.pulse_at,
                self.steady_since, self.refused, self.retention_ms, self.latest.copy(), dict(self.lanes.next_us),
            )  # fmt: skip
        told: list[tuple[Any, ...]] = []
        self._changed = told
        try:
            results = [getattr(self, verb)(now, rows) for verb, rows in changes]
        except RowRefused:
            if saved is not None:
                (self.rows, self.turns, self.keys, self.workers, self.pulse_at, self.steady_since, self.refused,
                 self.retention_ms, self.latest, self.lanes.next_us) = saved  # fmt: skip
            raise
        self.commits += 1
        for change in told:
            self._told(now, *change)
        return results

    def _put(self, verb: str, asked: Any, result: Any, before: Snapshot | None, after: Snapshot) -> None:
        self._check(before, after)
        self.rows[after.id] = after
        self._changed.append((verb, asked, result, before, after))

    def _check(self, before: Snapshot | None, after: Snapshot) -> None:
        """What a CHECK or a trigger refuses."""
        texts = (after.name, after.arguments, after.result_data, after.error_message, after.traceback)
        if any("\0" in text or "\ud800" in text for text in texts if text is not None):
            raise RowRefused("A text that no database stores.")
        if (
            after.max_attempts < 1
            or not 0 <= after.attempt <= after.max_attempts
            or after.deadline_at > after.settles_at
        ):
            raise RowRefused("A CHECK failed.")
        if after.progress is not None and not 0 <= after.progress <= 1:
            raise RowRefused("A CHECK failed.")
        if (after.status is FAILED) != (after.error_message is not None):
            raise RowRefused("A CHECK failed.")
        if before is not None and before.status not in OPEN:
            raise RowRefused("A settled task never changes again.")

    # -- verbs that write (base.Verbs)

    def insert(self, now: int, rows: Sequence[NewTask]) -> list[tuple[Snapshot, bool]]:
        return [self._insert(now, row) for row in rows]

    def _insert(self, now: int, new: NewTask) -> tuple[Snapshot, bool]:
        key = None if new.key is None else (new.name, new.key, new.owner or "")
        given = self.sent.get(id(new))
        if given in self.rows:
            return self.rows[given]._replace(as_of=now), True  # its answer was lost
        known = self.rows.get(new.id or "") or (self.rows.get(self.keys.get(key, "")) if key else None)
        if known is not None:
            return known._replace(as_of=now), False
        if new.worker is not None and not self._enlisted(new.worker):
            new = new._replace(worker=None)
        row = born(new, new.id or given or stand_ins.new_id(now), now)
        self._put("insert", new, True, None, row)
        self.turns[row.id] = None
        if key is not None:
            self.keys[key] = row.id
        return row, True

    def insert_batch(self, now: int, rows: Sequence[Sequence[NewTask]]) -> list[list[tuple[Snapshot, bool]]]:
        return [self._insert_batch(now, batch) for batch in rows]

    def _insert_batch(self, now: int, news: Sequence[NewTask]) -> list[tuple[Snapshot, bool]]:
        first = self._insert(now, news[0])
        return [first, *(self._insert(now, new) for new in news[1:])] if first[1] else [first]

    def _enlisted(self, worker: str) -> bool:
        found = self.workers.get(worker)
        return found is not None and found.lost_at is None

    def settle(self, now: int, rows: Sequence[Verdict]) -> list[bool]:
        return [self._settle(now, verdict) for verdict in rows]

    def fence(self, row: Snapshot | None, verdict: Verdict, now: int) -> bool:
        """The compare-and-set, and the bound."""
        if row is None or row.attempt != verdict.attempt or row.status is not verdict.seen:
            return False
        return row.settles_at > now or late_but_true(verdict)

    def _settle(self, now: int, v: Verdict) -> bool:
        row = self.rows.get(v.id)
        if not self.fence(row, v, now) or row is None:
            self.refused += not v.expiry
            return False
        if v.status is PENDING:
            after = row._replace(
                status=PENDING, worker=None, due_at=v.due_at, deadline_at=v.deadline_at, previous_error=v.error_message,
                error_type=v.error_type, traceback=v.traceback, progress=None, progress_message=None,
            )  # fmt: skip
        else:
            after = row._replace(
                status=v.status, result_data=v.result_data, reason=v.reason, error_message=v.error_message,
                error_type=v.error_type, traceback=v.traceback, finished_at=now,
            )  # fmt: skip
        self._put("settle", v, True, row, after)
        if row.latest is not None and v.status is not PENDING:
            self.latest.ended(after, v)
        if v.status is PENDING:
            self.turns[v.id] = v.due_at
        return True

    def claim(self, now: int, rows: Sequence[Claim]) -> list[list[Snapshot]]:
        return [self._claim(now, claim) for claim in rows]

    def _claim(self, now: int, claim: Claim) -> list[Snapshot]:
        if not self._enlisted(claim.worker):
            return []
        names = names_of(claim.names)
        if claim.ids is None:
            return self._claim_some(now, claim, names, None)
        one = claim._replace(limit=1)
        return [row for id_ in claim.ids for row in self._claim_some(now, one, names, id_)]

    def _claim_some(self, now: int, claim: Claim, names: frozenset[str], wanted: str | None) -> list[Snapshot]:
        claimed = [] if claim.lanes else self._begin(now, claim, self._free(now, names, wanted)[: claim.limit])
        if claim.lanes or (wanted is not None and not claimed):
            for rows in self.lanes.claimable(now, claim, names, wanted):
                claimed += self._begin(now, claim, rows)
        return claimed

    def _free(self, now: int, names: frozenset[str], wanted: str | None) -> list[Snapshot]:
        among = self.rows.values() if wanted is None else [self.rows[wanted]] if wanted in self.rows else []
        due = [
            row for row in among
            if row.status is PENDING and row.lane is None and row.due_at <= now < row.deadline_at and row.name in names
        ]  # fmt: skip
        return sorted(due, key=lambda row: row.due_at)

    def _begin(self, now: int, claim: Claim, rows: Sequence[Snapshot]) -> list[Snapshot]:
        claimed = [self.begun(row, claim.worker, now) for row in rows]
        for before, after in zip(rows, claimed, strict=True):
            self._put("claim", claim, True, before, after)
        return claimed

    def begun(self, row: Snapshot, worker: str, now: int) -> Snapshot:
        """The row once its next attempt has begun."""
        return row._replace(
            status=RUNNING, attempt=row.attempt + 1, started_at=now, worker=worker, error_type=None, traceback=None,
            deadline_at=min(now + row.timeout_ms + EXPIRY_MARGIN_MS, row.settles_at), as_of=now,
        )  # fmt: skip

    def publish(self, now: int, rows: Sequence[Publish]) -> list[list[Snapshot]]:
        return [self._publish(now, publish) for publish in rows]

    def _publish(self, now: int, publish: Publish) -> list[Snapshot]:
        turns = [(turn, row) for turn, row in self._turns(publish.names) if turn <= now < row.deadline_at]
        turns.sort(key=lambda found: found[0])
        taken = [row._replace(as_of=now) for _, row in turns[: publish.limit]]
        in_lanes = self.lanes.to_publish(now, publish, names_of(publish.names), publish.limit)
        taken += [row._replace(as_of=now) for row in in_lanes]
        for row in taken:
            self.turns[row.id] = now + min(max(now - row.due_at, self.publish_after_ms), PUBLISH_WITHIN_MS)
        return taken

    def _turns(self, names: str) -> list[tuple[int, Snapshot]]:
        known = names_of(names)
        turns = self.turns
        found = []
        for row in self.rows.values():
            if row.status is PENDING and row.lane is None and row.name in known:
                turn = turns[row.id]
                found.append((row.due_at + self.publish_after_ms if turn is None else turn, row))
        return found

    def progress(self, now: int, rows: Sequence[Progress]) -> list[bool]:
        for step in rows:
            row = self.rows.get(step.id)
            if row is not None and row.status is RUNNING and row.attempt == step.attempt:
                after = row._replace(progress=step.fraction, progress_message=step.message)
                self._put("progress", step, True, row, after)
        return [True] * len(rows)

    def enlist(self, now: int, rows: Sequence[WorkerRow]) -> list[bool]:
        for row in rows:
            if row.id not in self.workers:  # else the answer was lost
                self.workers[row.id] = row._replace(started_at=now, heard_at=now, lost_at=None, as_of=0)
                self._changed.append(("enlist", row, True, None, None))
        return [True] * len(rows)

    def beat(self, now: int, rows: Sequence[Beat]) -> list[bool]:
        heard = []
        for beat in rows:
            known = self._enlisted(beat.worker)
            if known:
                self.workers[beat.worker] = self.workers[beat.worker]._replace(heard_at=now)
            heard.append(known)
        if now - self.pulse_at > max(beat.lease_ms for beat in rows):
            self.steady_since = now
        self.pulse_at = now
        return heard

    def lose(self, now: int, rows: Sequence[Loss]) -> list[bool]:
        return [self._lose(now, loss) for loss in rows]

    def _lose(self, now: int, loss: Loss) -> bool:
        if not self._enlisted(loss.worker):
            return False
        worker = self.workers[loss.worker]
        if not loss.gone and worker.heard_at + worker.lease_ms >= now:
            return False
        self.workers[loss.worker] = worker._replace(lost_at=now)
        self._changed.append(("lose", loss, True, None, None))
        return True

    def dismiss(self, now: int, rows: Sequence[str]) -> list[bool]:
        dismissed = []
        for worker in rows:
            busy = any(row.status is RUNNING and row.worker == worker for row in self.rows.values())
            dismissed.append(not busy and self.workers.pop(worker, None) is not None)
            if dismissed[-1]:
                self._changed.append(("dismiss", worker, True, None, None))
        return dismissed

    def retain(self, now: int, rows: Sequence[int]) -> list[bool]:
        for age_ms in rows:
            if age_ms is None:
                raise RowRefused("A CHECK failed.")
            self.retention_ms = age_ms
        return [True] * len(rows)

    def prune(self, now: int, rows: Sequence[Prune]) -> list[int]:
        return [self._prune(now, prune) for prune in rows]

    def _prune(self, now: int, prune: Prune) -> int:
        self.lanes.forget(now)
        old = [row for row in self.rows.values() if self._prunable(row, now, prune.age_ms)][: prune.limit]
        for row in old:
            self._drop(row)
        return len(old)

    def _prunable(self, row: Snapshot, now: int, age_ms: int) -> bool:
        young, now_born = _least_id(now - age_ms), _least_id(now + 1)
        ended_at = row.settles_at if row.finished_at is None else row.finished_at
        return row.settled and (row.id < young or row.id >= now_born) and ended_at < now - age_ms

    def delete(self, now: int, rows: Sequence[str]) -> list[bool]:
        found = [self.rows.get(task_id) for task_id in rows]
        settled = [row is not None and row.settled for row in found]
        for row, gone in zip(found, settled, strict=True):
            if row is not None and gone:
                self._drop(row)
        return settled

    def _drop(self, row: Snapshot) -> None:
        del self.rows[row.id], self.turns[row.id]
        if row.key is not None:
            del self.keys[row.name, row.key, row.owner or ""]

    def refresh(self, now: int, rows: Sequence[Sequence[Refresh]]) -> list[list[Snapshot | None]]:
        return [[self._refresh(now, item) for item in row] for row in rows]

    def _refresh(self, now: int, item: Refresh) -> Snapshot | None:
        known = self.rows.get(item.task)
        if known is not None:
            return known._replace(as_of=now)  # its answer was lost; it may have settled since
        if not self.latest.start(now, item):
            return None
        return self._insert(now, item.new._replace(id=item.task, latest=item.key))[0]

    def put(self, now: int, rows: Sequence[Put]) -> list[bool]:
        return [self.latest.put(now, row) for row in rows]

    def purge(self, now: int, rows: Sequence[Purge]) -> list[bool]:
        return [self.latest.purge(row) for row in rows]

    def forget(self, now: int, rows: Sequence[int]) -> list[int]:
        return [self.latest.forget(now, limit) for limit in rows]

    # -- what reads need

    def overdue(self, now: int) -> list[Snapshot]:
        late = [row for row in self.rows.values() if row.deadline_at <= now and row.status in OPEN]
        late.sort(key=lambda row: row.deadline_at)
        return late

    def orphans(self) -> list[Snapshot]:
        return [
            row for row in self.rows.values()
            if row.status is RUNNING and not self._enlisted(str(row.worker))
        ]  # fmt: skip

    def next_deadline(self) -> int | None:
        return min((row.deadline_at for row in self.rows.values() if row.status in OPEN), default=None)

    def next_due(self, names: str) -> int | None:
        known = names_of(names)
        return min(
            (
                row.due_at
                for row in self.rows.values()
                if row.status is PENDING and row.lane is None and row.name in known
            ),
            default=None,
        )

    def next_publish(self, names: str, now: int) -> int | None:
        turns = [turn for turn, _ in self._turns(names)]
        in_lanes = self.lanes.next_start(now, names_of(names))
        return min(turns if in_lanes is None else [*turns, in_lanes], default=None)

    def pulse(self, now: int) -> Pulse:
        return Pulse(1, self.pulse_at, self.steady_since, self.refused, self.retention_ms, now)

    def counts(self) -> dict[tuple[str, str | None], int]:
        return dict(Counter((str(row.status), row.reason and str(row.reason)) for row in self.rows.values()))

    def backlog(self, now: int) -> list[Backlog]:
        due = [row for row in self.rows.values() if row.status is PENDING and row.due_at <= now]
        names = sorted({row.name for row in due})
        return [
            Backlog(name, sum(row.name == name for row in due), min(row.due_at for row in due if row.name == name))
            for name in names
        ]
