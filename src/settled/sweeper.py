"""Settles what nobody reads: the loop that calls ``ledger.expire``, and nothing else."""

from __future__ import annotations

from settled.ledger import Ledger
from settled.periodic import Periodic

TICK = 0.5
"""Seconds between two looks at the other workers' locks; a deadline is met sooner than that."""
PRUNE_EVERY = 3600.0


def sweeper(ledger: Ledger) -> Periodic:
    """Return the sweeper of a ledger, not yet started."""
    until_prune = PRUNE_EVERY

    def step() -> float:
        nonlocal until_prune
        ledger.expire()
        deadline = ledger.next_deadline_in()
        pause = TICK if deadline is None else min(TICK, max(0.01, deadline))
        until_prune -= pause
        if until_prune <= 0:
            until_prune = PRUNE_EVERY
            ledger.prune()
        return pause

    return Periodic("settled-sweeper", step)
