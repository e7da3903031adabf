"""Self-fencing: a worker that cannot renew its lease ends its tasks' processes, before others take their tasks.

What runs on its event loop or in its threads ends with the worker itself, and others wait for no more than that. A
process of its own may outlive what others know of the worker, where a lock may go though its holder lives.
"""

from __future__ import annotations

from settled.engines.registered import Registered
from settled.ledger import Ledger
from settled.records import Snapshot


class Fence:
    """What this worker's lease permits to run in processes of their own."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def lapsing(self, registered: Registered) -> bool:
        """Whether its processes have to end now: this worker could not renew its lease, and others take its tasks."""
        if registered.isolation != "process" or self._ledger.store.inline:
            return False
        membership = self._ledger.membership
        return membership.lease_left < min(membership.lease / 3, registered.function.kill_grace + 1)

    def why_not(self, row: Snapshot, registered: Registered) -> str | None:
        """Why an attempt that was claimed for this worker may not begin, or go on, here; None if it may."""
        membership = self._ledger.membership
        mine = row.worker == membership.worker  # else it was declared lost, and has enlisted anew
        foreign = not mine and registered.isolation == "process" and not self._ledger.store.inline
        if not foreign and not self.lapsing(registered):
            return None
        silent = membership.lease - (membership.lease_left if mine else 0.0)
        return (
            f"The worker could not reach the ledger for {silent:.1f} s, so it ended the task's process before "
            "its lease was over and another worker might begin. Look at the network."
        )
