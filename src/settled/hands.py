"""What a person does to many tasks at once: cancel, retry or delete those of a set that permit it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from settled import verdicts
from settled.errors import NotAllowed
from settled.ledger import Ledger
from settled.states import TERMINAL, Reason, Status

CANCELLED = "Cancelled on request."
TRIES = 3
"""How often a task is tried that moves on between the look at it and the write."""


class Hand(StrEnum):
    """What may be done."""

    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"

    @property
    def fits(self) -> frozenset[Status]:
        """The statuses of the tasks that it can be done to."""
        return frozenset(Status) - TERMINAL if self is Hand.CANCEL else TERMINAL


class Done(NamedTuple):
    """What came of it: the ids of the tasks that it was done to, and, of a retry, those of the new ones."""

    ids: list[str]
    made: list[str]


def do(ledger: Ledger, hand: Hand, task_ids: Sequence[str], who: str) -> Done:
    """Do it to those of the tasks that permit it; the others are passed over. Durable when this returns."""
    if hand is Hand.CANCEL:
        return Done(_cancel(ledger, task_ids, who), [])
    if hand is Hand.RETRY:
        return _retry(ledger, task_ids)
    gone = ledger.delete(task_ids)
    return Done([task_id for task_id, done in zip(task_ids, gone, strict=True) if done], [])


def _cancel(ledger: Ledger, task_ids: Sequence[str], who: str) -> list[str]:
    """Settle open tasks as cancelled. Who did it is kept where a traceback would be: it is nobody else's business."""
    cancelled: list[str] = []
    left = list(task_ids)
    for _ in range(TRIES):
        rows = [row for row in ledger.store.read(left) if not row.settled]
        if not rows:
            break
        found = [verdicts.of_attempt(row, Reason.CANCELLED, CANCELLED, traceback=who) for row in rows]
        won = ledger.settle_all(found)
        for row, ok in zip(rows, won, strict=True):
            if ok:
                ledger.cancelled(row)
                cancelled.append(row.id)
        left = [row.id for row, ok in zip(rows, won, strict=True) if not ok]
    return cancelled


def _retry(ledger: Ledger, task_ids: Sequence[str]) -> Done:
    """Submit settled tasks' calls again; one that was submitted again before is not once more."""
    rows, new = [], []
    for row in ledger.store.read(task_ids):
        try:
            new.append(ledger.again(row))
            rows.append(row)
        except NotAllowed:
            continue
    added = ledger.add_all(new)
    return Done([row.id for row in rows], [row.id for row, _ in added])
