"""Checks a ledger against its promises.

``ok`` tells what holds, ``warning`` what will hurt some day or looks wrong, ``broken`` that a
promise of the contract does not hold now. The doctor settles what is overdue first, as everybody
does who looks; what is still open past its bound after that is what nobody can settle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial

from settled.clock import Clock, SystemClock
from settled.errors import SettledError
from settled.ledger import Ledger
from settled.records import Finding, Snapshot, WorkerRow

SLOW_SWEEP_MS = 5_000
"""Overdue for longer than this: no process was there to settle it."""
LONG_WAIT_SECONDS = 60.0
CLOCK_SECONDS = 2.0
PRUNE_SLACK = 7_200.0
"""Seconds beyond the retention in which some process ought to have pruned."""
MANY = 1_000
ROUNDS = 10_000

_ok, _warning, _broken = (partial(Finding, level) for level in ("ok", "warning", "broken"))


def check(ledger: Ledger, *, deep: bool = False, clock: Clock | None = None) -> list[Finding]:
    """Settle what is overdue and return what is found; the ledger's store must be open.

    ``deep`` reads the whole database for damage. Raises ``LedgerUnavailable`` if it cannot be read.
    """
    return [
        *_promise(ledger),
        *_workers(ledger),
        _orphans(ledger),
        *_queue(ledger),
        _refused(ledger),
        _clock(ledger, clock or SystemClock()),
        _retention(ledger),
        *ledger.store.diagnose(deep=deep),
    ]


def settle_all(ledger: Ledger) -> int:
    """Expire until nothing is overdue, however much it is; return how many were settled or put back."""
    total = 0
    for _ in range(ROUNDS):
        settled = ledger.expire()
        total += settled
        if not settled:
            break
    return total


def _promise(ledger: Ledger) -> Iterable[Finding]:
    store = ledger.store
    began = store.now()
    late = [row for row in store.overdue(MANY) if row.deadline_at < began - SLOW_SWEEP_MS]
    trouble = ""
    try:
        settle_all(ledger)
    except SettledError as error:
        trouble = f" Settling failed: {error}"
    stuck = [row for row in store.past_bound() if row.settles_at <= began]
    if stuck:
        yield _broken(
            "bound", f"{_tasks(stuck)} past the bound, and still open after a sweep.{trouble} {_first(stuck)}"
        )
    elif trouble:
        yield _warning("bound", f"No task is past its bound, but what is overdue cannot be settled now.{trouble}")
    else:
        yield _ok("bound", "Every open task is within the instant by which it will be settled.")
    if late:
        longest = _seconds(began - min(row.deadline_at for row in late))
        yield _warning(
            "sweep",
            f"{_tasks(late)} found overdue, for up to {longest}: no process that uses the ledger was running. "
            "Keep one running, or call settled sweep from a timer.",
        )
    else:
        yield _ok("sweep", "Nothing was left overdue.")


def _workers(ledger: Ledger) -> Iterable[Finding]:
    workers = ledger.workers()
    for worker in workers:
        if trouble := _trouble(worker):
            yield _warning("workers", f"Process {worker.called} {trouble}")
    alive = [worker.called for worker in workers if worker.alive]
    if alive:
        yield _ok("workers", f"Alive: {', '.join(alive)}.")
    elif ledger.store.next_deadline() is not None:
        yield _warning("workers", "Tasks are open, and no worker is alive. Start one.")
    else:
        yield _ok("workers", "None is alive, and no task is open.")


def _trouble(worker: WorkerRow) -> str:
    silent = worker.as_of - worker.heard_at
    lease = f"its lease of {_seconds(worker.lease_ms)}"
    if worker.lost_at is not None:
        return f"was declared lost {_seconds(worker.as_of - worker.lost_at)} ago; what it ran is being settled."
    if silent < -CLOCK_SECONDS * 1000:
        return f"was heard {_seconds(-silent)} in the future: the ledger's clock was set back. Restart the processes."
    if not worker.alive:
        return f"has not been heard for {_seconds(silent)}, longer than {lease}. Restart it."
    if silent > worker.lease_ms / 2:
        return f"was heard {_seconds(silent)} ago, over half of {lease}: it is very busy, or its disk is slow."
    return ""


def _orphans(ledger: Ledger) -> Finding:
    orphans = ledger.store.orphans(MANY)
    if not orphans:
        return _ok("orphans", "Every running task has its worker.")
    last = _seconds(max(0, *(row.deadline_at - row.as_of for row in orphans)))
    return _warning(
        "orphans",
        f"{_tasks(orphans)} running without a worker, and settled only at the deadline, in {last}: the row was written "
        f"by hand, or its worker's row deleted. {_first(orphans)}",
    )


def _queue(ledger: Ledger) -> Iterable[Finding]:
    waiting = ledger.store.backlog()
    known = {name for worker in ledger.workers() if worker.alive for name in json.loads(worker.names)}
    for name, count, _ in waiting:
        if name not in known:
            yield _warning(
                "queue",
                f"{count} pending of {name!r}, which no live worker knows. Start a worker that has it, or they "
                "settle as never_started.",
            )
    if not waiting:
        yield _ok("queue", "No task waits to be picked up.")
        return
    oldest = (ledger.store.now() - min(backlog.due_at for backlog in waiting)) / 1000
    said = f"{sum(backlog.waiting for backlog in waiting)} waiting to be picked up, the oldest for {oldest:.1f} s."
    if oldest > LONG_WAIT_SECONDS:
        yield _warning("queue", f"{said} Start more workers, or raise their concurrency.")
    else:
        yield _ok("queue", said)


def _refused(ledger: Ledger) -> Finding:
    refused = ledger.store.pulse().refused
    return _ok(
        "late writes", f"{refused} refused so far; each came after its task had settled, or from a lost attempt."
    )


def _clock(ledger: Ledger, clock: Clock) -> Finding:
    ahead = (ledger.store.now() - clock.wall_ms()) / 1000
    if abs(ahead) <= CLOCK_SECONDS:
        return _ok("clock", "The ledger's clock agrees with the system's.")
    said = f"The ledger's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"
    if not ledger.store.inline:  # it is another machine's
        return _warning("clock", f"{said} this machine's. That moves no deadline; the instants shown are the ledger's.")
    return _warning(
        "clock",
        f"{said} the system's, which was set. That moves no deadline; the instants shown are off until all processes "
        "have ended and no task is open.",
    )


def _retention(ledger: Ledger) -> Finding:
    overdue = ledger.store.prunable(round((ledger.retention + PRUNE_SLACK) * 1000), MANY)
    days = f"{ledger.retention / 86_400:g} days"
    if not overdue:
        return _ok("retention", f"No settled task is kept for longer than {days}.")
    many = f"{MANY} or more" if overdue >= MANY else str(overdue)
    return _warning(
        "retention",
        f"{many} settled longer than {days} ago and not pruned. Call settled prune, or tell their --retention.",
    )


def _tasks(rows: Sequence[Snapshot]) -> str:
    return "1 task is" if len(rows) == 1 else f"{len(rows)} tasks are"


def _first(rows: Sequence[Snapshot]) -> str:
    return f"First: {rows[0].id} ({rows[0].name})."


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s"
