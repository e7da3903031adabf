"""Hears what other processes changed: one query a tick for everything that anybody here waits for."""

from __future__ import annotations

from settled.ledger import Ledger
from settled.periodic import Periodic

TICK = 0.1


def follower(ledger: Ledger) -> Periodic:
    """Return the follower of a ledger, not yet started; it rings the bell for rows that have changed."""
    version = -1
    known: dict[str, tuple[object, ...]] = {}

    def step() -> float:
        nonlocal version, known
        watched = ledger.bell.watched()
        if not watched:
            known = {}
            return TICK
        newest = ledger.store.version()
        fresh = [task_id for task_id in watched if task_id not in known]
        if newest == version and not fresh:
            return TICK
        version = newest
        now = {row.id: (row.status, row.attempt, row.progress, row.progress_message) for row in ledger.store.read(watched)}
        # A row seen for the first time may have changed before it was looked at: its waiter reads again.
        ledger.bell.ring(task_id for task_id in watched if now.get(task_id) != known.get(task_id))
        known = {task_id: now.get(task_id, ()) for task_id in watched}
        return TICK

    return Periodic("settled-follower", step)
