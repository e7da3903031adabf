"""One writing transaction of the SQLite store: its instant, and what each verb of ``base.Verbs`` does in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from settled.errors import LedgerUnavailable
from settled.ids import new_id, new_ids
from settled.records import NewTask, Snapshot, Verdict, WorkerRow
from settled.states import Reason, Status
from settled.stores import sqlite_lanes
from settled.stores.base import (
    EXPIRY_MARGIN_MS,
    PUBLISH_AFTER_MS,
    PUBLISH_WITHIN_MS,
    Beat,
    Claim,
    Loss,
    Progress,
    Prune,
    Publish,
    Purge,
    Put,
    Refresh,
    RowRefused,
)
from settled.stores.rows import born, born_at, snapshot_of
from settled.stores.sqlite_statements import MOST_ROWS, SQL, insertion, of_group, of_new, of_refresh, settlement

STALLED_MS = 20
"""A transaction that takes longer looks at the bounds again before it commits: readers go by the clock meanwhile."""


class Transaction:
    """What a connection writes between its BEGIN and its COMMIT, which are the store's."""

    def __init__(self, connection: sqlite3.Connection, now: int, offset: int, alive: str) -> None:
        """``offset`` is the clock's, ``alive`` names the workers that may be given work."""
        self.now = now
        self._connection = connection
        self._offset = offset
        self._alive = alive
        self._moving: list[str] = []  # what it moves in a way that counts before the bound alone

    def insert(self, rows: Sequence[NewTask]) -> list[tuple[Snapshot, bool]]:
        for worker in {row.worker for row in rows if row.worker is not None}:
            if worker not in self._alive and not self._is_enlisted(worker):  # frozen, given up on, thawed
                rows = [row._replace(worker=None) if row.worker == worker else row for row in rows]
        made = born_at(self.now, rows)
        unkeyed = [row for row in made if row.key is None]
        for start in range(0, len(unkeyed), MOST_ROWS):
            self._cursor().execute(*insertion(unkeyed[start : start + MOST_ROWS], None, self._offset))
        return [(row, True) if row.key is None else self._insert_keyed(row) for row in made]

    def insert_batch(self, rows: Sequence[Sequence[NewTask]]) -> list[list[tuple[Snapshot, bool]]]:
        return [self._insert_batch(batch) for batch in rows]

    def _insert_batch(self, rows: Sequence[NewTask]) -> list[tuple[Snapshot, bool]]:
        made = [born(row, id_, self.now) for row, id_ in zip(rows, sorted(new_ids(self.now, len(rows))), strict=True)]
        rest = made
        if made[0].key is not None:
            first = self._insert_keyed(made[0])
            if not first[1]:
                return [first]
            rest = made[1:]
        for start in range(0, len(rest), MOST_ROWS):
            self._cursor().execute(*insertion(rest[start : start + MOST_ROWS], None, self._offset))
        return [(row, True) for row in made]

    def _is_enlisted(self, worker: str) -> bool:
        return bool(self._cursor().execute(SQL["enlisted"], (worker,)).fetchone()[0])

    def check_bounds(self, now: int) -> None:
        """Refuse to commit what a bound has overtaken since the transaction began, as when its process was stopped.

        Whoever looked meanwhile, and could not write, has said what the row that it saw comes to past its bound.
        """
        if now - self.now <= STALLED_MS or not self._moving:
            return
        moving = json.dumps(self._moving)
        if self._cursor().execute(SQL["overtaken"], (moving, self.now, now)).fetchone()[0]:
            raise LedgerUnavailable(
                f"A transaction took {(now - self.now) / 1000:g} s, past the bound of a task in it. Nothing was "
                "written; it is tried again."
            )

    def settle(self, rows: Sequence[Verdict]) -> list[bool]:
        self._moving += [
            v.id for v in rows if not v.expiry or v.reason is Reason.WORKER_LOST or v.status is Status.PENDING
        ]
        won: set[int] = set()
        left = list(rows)
        while left:  # two verdicts on one attempt are written one after the other
            first = {(row.id, row.attempt): row for row in reversed(left)}
            together = list(first.values())
            won.update(id(row) for row in self._winners(together))
            left = [row for row in left if first[row.id, row.attempt] is not row]
        refused = sum(id(row) not in won and not row.expiry for row in rows)
        if refused:
            self._one("count_refused", (refused,))
        return [id(row) in won for row in rows]

    def _winners(self, rows: Sequence[Verdict]) -> Sequence[Verdict]:
        """Write verdicts on different attempts; return those not refused. Only where one was is each looked at."""
        won: list[Verdict] = []
        for status in (Status.COMPLETED, Status.FAILED, Status.PENDING):
            alike = [row for row in rows if row.status is status]
            for start in range(0, len(alike), MOST_ROWS):
                chunk = alike[start : start + MOST_ROWS]
                if self._write_all(chunk):
                    won += chunk
                elif len(chunk) > 1:
                    won += [row for row in chunk if self._write_all([row])]
        return won

    def claim(self, rows: Sequence[Claim]) -> list[list[Snapshot]]:
        claimed = [[snapshot_of(found, self.now) for found in self._claimed(row)] for row in rows]
        self._moving += [row.id for some in claimed for row in some]
        return claimed

    def _claimed(self, row: Claim) -> list[Any]:
        if row.ids is not None:
            claimed: list[Any] = []
            for id_ in row.ids:
                one = row._replace(ids=[id_], limit=1)
                claimed += self._claimed_free(one) or sqlite_lanes.claim(self._cursor(), self.now, one)
            return claimed
        return sqlite_lanes.claim(self._cursor(), self.now, row) if row.lanes else self._claimed_free(row)

    def _claimed_free(self, row: Claim) -> list[Any]:
        """Of those in no lane."""
        values = {
            "worker": row.worker, "names": row.names, "limit": row.limit, "id": row.ids[0] if row.ids else None,
            "now": self.now, "margin": EXPIRY_MARGIN_MS,
        }  # fmt: skip
        return self._cursor().execute(SQL["claim"], values).fetchall()

    def publish(self, rows: Sequence[Publish]) -> list[list[Snapshot]]:
        limits = {"now": self.now, "after": PUBLISH_AFTER_MS, "within": PUBLISH_WITHIN_MS}
        cursor = self._cursor()
        taken = [cursor.execute(SQL["publish"], {**row._asdict(), **limits}).fetchall() for row in rows]
        return [
            [snapshot_of(found, self.now) for found in free + sqlite_lanes.publish(cursor, self.now, row)]
            for row, free in zip(rows, taken, strict=True)
        ]

    def progress(self, rows: Sequence[Progress]) -> list[bool]:
        self._cursor().executemany(SQL["progress"], [(row.fraction, row.message, row.id, row.attempt) for row in rows])
        return [True] * len(rows)

    def enlist(self, rows: Sequence[WorkerRow]) -> list[bool]:
        return [
            self._one(
                "enlist",
                (row.id, row.host, row.pid, row.names, self.now, self.now, row.lease_ms, row.engine, row.processes),
            )
            for row in rows
        ]

    def beat(self, rows: Sequence[Beat]) -> list[bool]:
        heard = [self._one("beat", (self.now, row.worker)) for row in rows]
        lease = max(row.lease_ms for row in rows)
        self._one("pulse", (self.now, lease, self.now, self.now))
        return heard

    def lose(self, rows: Sequence[Loss]) -> list[bool]:
        return [self._one("mark_lost", (self.now, row.worker, row.gone, self.now)) for row in rows]

    def dismiss(self, rows: Sequence[str]) -> list[bool]:
        return [self._one("dismiss", (worker,)) for worker in rows]

    def retain(self, rows: Sequence[int]) -> list[bool]:
        return [self._one("retain", (age_ms,)) for age_ms in rows]

    def prune(self, rows: Sequence[Prune]) -> list[int]:
        cursor = self._cursor()
        cursor.execute(SQL["prune_lanes"], {"now_us": self.now * 1000})
        return [
            cursor.execute(
                SQL["prune"], (new_id(self.now - row.age_ms), new_id(self.now), self.now - row.age_ms, row.limit)
            ).rowcount
            for row in rows
        ]

    def delete(self, rows: Sequence[str]) -> list[bool]:
        return [self._one("delete", (task_id,)) for task_id in rows]

    def refresh(self, rows: Sequence[Sequence[Refresh]]) -> list[list[Snapshot | None]]:
        started = [
            item for row in rows for item in row if self._one("start_refresh", {**of_refresh(item), "now": self.now})
        ]
        made = self.insert([item.new._replace(id=item.task, latest=item.key) for item in started])
        by_id = {task.id: task for task, _ in made}
        return [[by_id.get(item.task) for item in row] for row in rows]

    def put(self, rows: Sequence[Put]) -> list[bool]:
        return [self._one("put", {**row._asdict(), **row.policy._asdict(), "now": self.now}) for row in rows]

    def purge(self, rows: Sequence[Purge]) -> list[bool]:
        return [self._one("purge", row._asdict()) for row in rows]

    def forget(self, rows: Sequence[int]) -> list[int]:
        return [self._cursor().execute(SQL["forget"], (self.now, limit)).rowcount for limit in rows]

    # -- the inside

    def _write_all(self, rows: Sequence[Verdict]) -> bool:
        return self._cursor().execute(*settlement(rows, self.now, self.now, self._offset)).rowcount == len(rows)

    def _one(self, name: str, values: Any) -> bool:
        return self._cursor().execute(SQL[name], values).rowcount == 1

    def _cursor(self) -> sqlite3.Cursor:
        return self._connection.cursor()

    def _insert_keyed(self, snapshot: Snapshot) -> tuple[Snapshot, bool]:
        if self._one("insert_keyed", of_new(snapshot) + of_group(snapshot)):
            return snapshot, True
        values = (snapshot.id, snapshot.name, snapshot.key, snapshot.owner)
        found = self._cursor().execute(SQL["read_key"], values).fetchone()
        if found is None:
            raise RowRefused("The idempotency key is taken, but its task cannot be read.")
        return snapshot_of(found, snapshot.as_of), False
