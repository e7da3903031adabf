"""Judges the latest values: what of a key is true follows from what its refreshes came to, and from nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple

from settled.latest.answer import Latest
from settled.records import LatestRow, Snapshot
from settled.states import Status
from tests.simulation.stand_ins import EPOCH_MS


class Known(NamedTuple):
    """What the refreshes of a key came to, up to some commit."""

    got_at: int | None = None
    values: tuple[str | None, ...] = ()
    """Every good value so far, the newest last."""
    failed: bool = False
    retry_at: int = 0


class Keys:
    """Every key of one run."""

    def __init__(self, referee: Any) -> None:
        self._referee = referee
        self._known: dict[tuple[str, str], Known] = {}
        self._open: dict[tuple[str, str], set[str]] = {}
        self._ends: dict[str, int] = {}
        self._started: dict[tuple[str, str], int] = {}
        self.refreshes: dict[str, int] = {}
        """Of each refresh how many of its key came before."""

    def known(self, name: str, key: str) -> Known:
        return self._known.get((name, key), Known())

    # -- at each commit

    def begins(self, now: int, task: Snapshot) -> None:
        """A refresh was started."""
        expect = self._referee.expect
        key = (task.name, str(task.latest))
        known = self.known(*key)
        others = self._open.setdefault(key, set())
        expect(not others, "a second refresh of a key was started")
        expect(known.retry_at <= now, "a refresh was started before its time", known.retry_at - now)
        fresh = known.got_at is not None and known.got_at + self._row(task).fresh_ms > now
        expect(not fresh, "a fresh value was refreshed")
        others.add(task.id)
        self.refreshes[task.id] = self._started.get(key, 0)
        self._started[key] = self.refreshes[task.id] + 1
        self._ends[task.id] = task.settles_at

    def ends(self, task: Snapshot) -> None:
        """It has settled; the row of its key is to say so in the same commit, and never to lose a good value."""
        key = (task.name, str(task.latest))
        known = self.known(*key)
        self._open[key].discard(task.id)
        at = min(task.finished_at or 0, task.settles_at)
        row = self._row(task)
        if task.status is Status.COMPLETED:
            known = Known(at, (*known.values, task.result_data))
        else:
            known = known._replace(failed=True, retry_at=row.retry_at)
            self._referee.expect(row.retry_at > at, "a refresh that failed may be tried again at once")
        self._known[key] = known
        expect = self._referee.expect
        expect(not row.refreshing or row.task != task.id, "a key waits for a refresh that has settled")
        expect(row.got_at == known.got_at, "a good value was lost", row.got_at, known.got_at)
        expect(not known.values or row.value == known.values[-1], "a key holds another value than its newest")
        expect((row.last_error is not None) == known.failed, "what went wrong with a key is not told", row.last_error)

    def finish(self) -> None:
        """At the end of the run."""
        tasks = self._referee.stage.database.rows
        for row in self._referee.stage.database.latest.rows.values():
            waits = row.refreshing and tasks[row.task].settled
            self._referee.expect(not waits, "a key waits for a refresh that has settled", row.key)

    def _row(self, task: Snapshot) -> LatestRow:
        found: LatestRow = self._referee.stage.database.latest.rows[task.name, str(task.latest)]
        return found

    # -- what those are told who look

    def told(self, process: Any, since: Known, found: Latest) -> None:
        """``since``: what was known when the look began."""
        if process.dead:
            return
        expect = self._referee.expect
        now = self._referee.stage.server.now()
        known = self.known(found.name, found.key)
        if found.found:
            expect(found.text in known.values, "a value was told that no refresh brought", found.text)
        expect(found.found or since.got_at is None, "a good value was not told")
        newer = since.got_at is None or (found.got_at or 0) >= since.got_at
        expect(newer, "an older value was told than is known", found.got_at, since.got_at)
        if found.refreshing:
            until = self._ends.get(str(found.task_id), 0)
            late = now - max(until, found.as_of)
            expect(until > found.as_of or late < 0, "a key was told to be refreshing past the bound", until - EPOCH_MS)
        elif not found.found and found.last_error is None:
            expect(False, "of a key that holds nothing nobody was told why, or what is under way")
