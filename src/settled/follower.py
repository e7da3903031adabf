"""Hears what other processes changed: one query a tick for everything that anybody here waits for.

Tasks that run in this process are left out: their changes are rung by the commit itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from settled.ledger import Ledger
from settled.periodic import Periodic
from settled.records import Snapshot
from settled.states import TERMINAL

TICK = 0.1
MOST = 1_000  # last words that are read at once


def follower(ledger: Ledger) -> Periodic:
    """Return the follower of a ledger, not yet started; it rings the bell for rows that have changed."""
    version = -1
    known: dict[str, object] = {}  # of tasks and of batches, whose ids are alike

    def step() -> float:
        nonlocal version, known
        watched = [task_id for task_id in ledger.bell.watched() if task_id not in ledger.commits.here]
        tick = max(TICK, ledger.store.pause)
        if not watched:
            known = {}
            return tick
        newest = ledger.store.version()
        if newest == version and all(task_id in known for task_id in watched):
            return tick
        version = newest
        of_tasks = ledger.store.marks(watched)
        marks: dict[str, object] = {**of_tasks}
        others = [id_ for id_ in watched if id_ not in marks]
        if others:
            marks |= ledger.store.batches.marks(others)
        # One seen for the first time may have changed before it was looked at: its waiter reads again.
        changed = [task_id for task_id in watched if task_id not in known or marks.get(task_id) != known[task_id]]
        ended = [id_ for id_ in changed if id_ in of_tasks and of_tasks[id_][0] in TERMINAL]
        ledger.bell.ring(changed, _last_words(ledger, ended))
        known = {task_id: marks.get(task_id) for task_id in watched}
        return tick

    return Periodic("settled-follower", step)


def _last_words(ledger: Ledger, ended: Sequence[str]) -> dict[str, Snapshot | None]:
    """What has settled, read once and told to all who wait for it, of whom each would read it for itself."""
    parts = (ended[begin : begin + MOST] for begin in range(0, len(ended), MOST))
    return {row.id: row for part in parts for row in ledger.store.read(part) if row.settled}
