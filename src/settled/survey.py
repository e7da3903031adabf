"""What a person on call wants to know of a ledger, each answer within a bounded time, however many rows there are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from settled import verdicts
from settled.ledger import Ledger
from settled.records import Snapshot, WorkerRow
from settled.states import Reason, Status
from settled.stores.looks import Brief, Ended, Scanned, Tallies, Waiting, Wanted

BUDGET = 0.08
"""Seconds that one search takes, about; then it says how far it has come."""
FIRST_ROWS, MOST_ROWS = 500, 50_000
"""Rows of the first stretch of a search, and of the largest."""
QUICK = 0.03
"""Seconds for a stretch in which the next one may be larger."""
COUNTED = 100_000
"""Matches up to which they are counted one by one."""
FAILURES = 5_000
"""Failed tasks that are grouped, newest first."""
SAMPLE = 2_000
"""The newest tasks that percentiles are made of."""

Keep = Callable[[Brief], bool]
"""What only this process can tell of a row that the store has found."""


class Page(NamedTuple):
    """What a search found, newest first, and how far it looked."""

    found: list[Brief]
    place: str
    """Where to go on."""
    reached: int | None
    """When the last task that was looked at was made."""
    done: bool
    """Whether there is nothing more to be found."""


class Group(NamedTuple):
    """Failures alike: of one reason, with messages that differ in numbers, ids and quoted words alone."""

    reason: Reason
    likeness: str
    message: str
    """The newest one's message."""
    total: int
    newest_at: int
    newest_id: str
    names: list[str]
    per_part: list[int]
    """How many in each part of the window, oldest first."""


class Failures(NamedTuple):
    """The failures of a window of time, grouped, the most frequent first."""

    groups: list[Group]
    total: int
    since: int
    until: int
    per_part: list[int]
    complete: bool
    """Whether all of the window was looked at."""


class Spread(NamedTuple):
    """Percentiles in milliseconds."""

    tasks: int
    p50: int
    p95: int
    p99: int


class Durations(NamedTuple):
    """How long the newest settled tasks waited, ran, and took to be settled: once they were overdue, or after the
    last sign of life of a worker that was lost."""

    tasks: int
    wait: Spread | None
    run: Spread | None
    overdue: Spread | None
    lost: Spread | None
    names: list[str]


class Standing(NamedTuple):
    """Who is there to run tasks, and what waits for them."""

    workers: list[WorkerRow]
    running: dict[str, int]
    waiting: list[Waiting]
    now: int

    @property
    def alive(self) -> list[WorkerRow]:
        """The workers that are believed alive and run tasks."""
        return [worker for worker in self.workers if worker.alive and worker.names != "[]"]

    def known(self, name: str) -> bool:
        """Whether a worker that is alive can run a task of this name."""
        return any(worker.knows(name) for worker in self.alive)


class Survey:
    """One ledger, surveyed."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._looks = ledger.store.looks

    # -- tasks

    def search(
        self, wanted: Wanted, *, limit: int, place: str | None = None, keep: Keep = lambda brief: True,
        budget: float = BUDGET,
    ) -> Page:  # fmt: skip
        """Search downwards from a place for at most ``limit`` tasks, for about ``budget`` seconds."""
        found: list[Brief] = []
        page = Page(found, place or self.top(), None, False)
        for part in self._stretches(wanted, page.place, limit, budget):
            kept = [brief for brief in part.found if keep(brief)]
            room = limit - len(found)
            found += kept[:room]
            page = Page(found, part.place, part.reached or page.reached, part.done)
        return page

    def count(self, wanted: Wanted, *, keep: Keep | None = None, budget: float = BUDGET) -> tuple[int, bool]:
        """How many match, and whether that is all of them; counted for about ``budget`` seconds."""
        if keep is not None:
            page = self.search(wanted, limit=COUNTED, keep=keep, budget=budget)
            return len(page.found), page.done
        end = time.monotonic() + budget
        total, place, rows = 0, self.top(), FIRST_ROWS
        while True:
            began = time.monotonic()
            part = self._looks.count(wanted, place, rows)
            total, place = total + part.total, part.place
            now = time.monotonic()
            if part.done or _past(wanted, part.reached):
                return total, True
            if now >= end:
                return total, False
            rows = min(2 * rows, MOST_ROWS) if now - began < QUICK else rows

    def top(self) -> str:
        """A place above everything that there is now."""
        return self._looks.top()

    def _stretches(self, wanted: Wanted, place: str, limit: int, budget: float) -> Iterator[Scanned]:
        """Stretches of rows, each as large as is quick, until enough is found or the time is over."""
        end = time.monotonic() + budget
        rows, left = FIRST_ROWS, limit
        while left > 0:
            began = time.monotonic()
            part = self._looks.scan(wanted, place, rows, left)
            if _past(wanted, part.reached):
                part = part._replace(done=True)
            yield part
            now = time.monotonic()
            if part.done or now >= end:
                return
            if now - began < QUICK:
                rows = min(2 * rows, MOST_ROWS)
            place, left = part.place, left - len(part.found)

    def tallies(self) -> Tallies:
        """How many tasks there are of what; each is counted up to a bound."""
        return self._looks.tallies()

    def retry_of(self, row: Snapshot) -> str | None:
        """The id of the task that this one was submitted again as."""
        found = self._looks.retries(row.name, f"retry of {row.id}", row.owner)
        return found[0] if found else None

    # -- failures

    def failures(self, window_ms: int, parts: int, keep: Keep = lambda brief: True) -> Failures:
        """Group the failures that settled in the last ``window_ms``, with counts for each of its equal parts."""
        until = self.ledger.store.now()
        since = until - window_ms
        page = self.search(Wanted((Status.FAILED,)), limit=FAILURES, keep=keep, budget=3 * BUDGET)
        groups: dict[tuple[Reason, str], list[Brief]] = {}
        per_part = [0] * parts
        for brief in page.found:
            if _at(brief) >= since:
                groups.setdefault((_reason(brief), likeness(brief.error_message or "")), []).append(brief)
                per_part[_part(brief, since, window_ms, parts)] += 1
        made = [
            _group(reason, alike, some, since, window_ms, parts) for (reason, alike), some in groups.items()
        ]  # fmt: skip
        made.sort(key=lambda group: (-group.total, -group.newest_at))
        reached = page.done or (page.reached is not None and page.reached < since)
        return Failures(made, sum(per_part), since, until, per_part, reached)

    # -- time

    def durations(self, rows: int = SAMPLE) -> Durations:
        """Percentiles over the newest tasks."""
        newest = self._looks.newest(rows)
        settled = [ended for ended in newest if ended.status.terminal and ended.finished_at is not None]
        started = [ended for ended in settled if ended.started_at is not None]
        return Durations(
            len(settled),
            spread([max(0, (e.started_at or 0) - e.due_at) for e in started if e.due_at]),
            spread([max(0, (e.finished_at or 0) - (e.started_at or 0)) for e in started]),
            spread([late for late in map(_late, settled) if late is not None]),
            spread([silence for silence in map(_silence, settled) if silence is not None]),
            sorted({ended.name for ended in newest}),
        )

    # -- workers

    def standing(self) -> Standing:
        """Who is there to run tasks, and what waits for them."""
        return Standing(
            self.ledger.workers(), self._looks.running(), self._looks.waiting(), self.ledger.store.now()
        )  # fmt: skip


_ALIKE = (
    (re.compile(r"'[^'\n]{0,300}'|\"[^\"\n]{0,300}\""), "'…'"),
    (
        re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b0x[0-9a-f]+\b", re.IGNORECASE),
        "#",
    ),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
)


def likeness(message: str) -> str:
    """What a message has in common with those of the same kind: without numbers, ids and quoted words."""
    text = " ".join(message[:500].split())
    for pattern, replacement in _ALIKE:
        text = pattern.sub(replacement, text)
    return text[:160].strip()


def spread(values: Sequence[int]) -> Spread | None:
    """The percentiles of some durations; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    last = len(ordered) - 1
    return Spread(len(ordered), *(ordered[round(last * share)] for share in (0.5, 0.95, 0.99)))


def _past(wanted: Wanted, reached: int | None) -> bool:
    """Whether what follows was made before what is wanted."""
    return wanted.since is not None and reached is not None and reached < wanted.since


def _late(ended: Ended) -> int | None:
    """Milliseconds from an overdue task's deadline to its end; None for one that was not overdue."""
    if ended.finished_at is None:
        return None
    if ended.reason == Reason.NEVER_STARTED:
        return max(0, ended.finished_at - ended.deadline_at)
    if ended.reason == Reason.TIMEOUT and ended.started_at is not None:
        return max(0, ended.finished_at - ended.started_at - ended.timeout_ms)
    return None


def _silence(ended: Ended) -> int | None:
    """Milliseconds that a lost worker was silent before this was noticed; None if none was lost, or it is unknown."""
    return verdicts.silence_ms(ended.error_message or "") if ended.reason == Reason.WORKER_LOST else None


def _at(brief: Brief) -> int:
    return brief.finished_at if brief.finished_at is not None else brief.created_at


def _reason(brief: Brief) -> Reason:
    return Reason(brief.reason) if brief.reason else Reason.EXCEPTION  # one that was failed by hand says none


def _part(brief: Brief, since: int, window_ms: int, parts: int) -> int:
    return min(parts - 1, max(0, (_at(brief) - since) * parts // window_ms))


def _group(reason: Reason, alike: str, some: list[Brief], since: int, window_ms: int, parts: int) -> Group:
    newest = max(some, key=_at)
    per_part = [0] * parts
    for brief in some:
        per_part[_part(brief, since, window_ms, parts)] += 1
    names = list(dict.fromkeys(brief.name for brief in some))
    return Group(
        reason, alike, newest.error_message or "", len(some), _at(newest), newest.id, names, per_part
    )  # fmt: skip
