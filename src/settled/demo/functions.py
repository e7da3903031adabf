"""Registers every culprit as a task function; a victim imports this and no web framework."""

from __future__ import annotations

from typing import Any

from settled import TaskFunction
from settled.demo.fault import Place
from settled.demo.faults import FAULTS
from settled.demo.ledger import for_workers, tasks

__all__ = ["for_workers", "functions", "tasks"]

functions: dict[str, TaskFunction[..., Any]] = {
    **{fault.name: fault.register(tasks) for fault in FAULTS.values() if fault.place is Place.SERVER},
    **{fault.name: fault.register(for_workers) for fault in FAULTS.values() if fault.place is Place.WORKER},
}
