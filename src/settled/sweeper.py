"""Settles what nobody reads: the loop that calls ``ledger.expire``, and nothing else."""

from __future__ import annotations

from settled.ledger import SWEEP_LIMIT, Ledger
from settled.periodic import Periodic

TICK = 0.5
"""Seconds between two looks at the other workers' locks; a deadline is met sooner than that."""
PRUNE_EVERY = 3600.0
THOROUGHLY_EVERY = 20
"""Sweeps between two looks for running rows that no worker answers for; normally there are none."""


def sweeper(ledger: Ledger) -> Periodic:
    """Return the sweeper of a ledger, not yet started."""
    until_prune = PRUNE_EVERY
    steps = 0

    def step() -> float:
        nonlocal until_prune, steps
        steps += 1
        if ledger.expire(thoroughly=steps % THOROUGHLY_EVERY == 0) >= SWEEP_LIMIT:
            return 0.0  # more are waiting, as when a worker dies with thousands of tasks
        deadline = ledger.next_deadline_in()
        tick = max(TICK, ledger.store.pause)
        pause = tick if deadline is None else min(tick, max(0.01, deadline))
        until_prune -= pause
        if until_prune <= 0:
            until_prune = PRUNE_EVERY
            ledger.prune()
            ledger.forget()
        return pause

    return Periodic("settled-sweeper", step)
