"""Says that this process lives: one heartbeat for all its tasks, from a thread of its own."""

from __future__ import annotations

from settled.ledger import Ledger
from settled.periodic import AFTER_AN_ERROR, Periodic


def heartbeat(ledger: Ledger) -> Periodic:
    """Return the heartbeat of a ledger's worker, not yet started; six beats fit in a lease."""

    def step() -> float:
        ledger.membership.beat()
        return ledger.membership.lease / 6

    return Periodic("settled-heartbeat", step, after_an_error=min(AFTER_AN_ERROR, ledger.membership.lease / 6))
