"""Registers every culprit as a task function; a victim imports this, and no web framework."""

from __future__ import annotations

import os
from typing import Any

from settled import TaskFunction, Tasks
from settled.demo.fault import Place
from settled.demo.faults import FAULTS
from settled.demo.ledger import ONLY, for_workers, tasks

__all__ = ["for_workers", "functions"]


def registered(place: Place, home: Tasks) -> dict[str, TaskFunction[..., Any]]:
    """The faults of one place as task functions; in a victim only the one that it was started for."""
    only = os.environ.get(ONLY)
    return {
        name: fault.register(home) for name, fault in FAULTS.items() if fault.place is place and only in (None, name)
    }


functions = registered(Place.SERVER, tasks) | registered(Place.WORKER, for_workers)
