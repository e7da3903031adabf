"""The faults as tools for an application's own tests: a manual clock, real processes, and what goes wrong with them.

With pytest, the fixtures are in ``settled.testing.plugin``; nothing else here needs pytest.
"""

from settled.clock import ManualClock
from settled.testing.faults import (
    EVERY_FAULT,
    Exit,
    Fault,
    Freeze,
    Hang,
    Kill,
    LedgerAway,
    OutOfMemory,
    Raise,
    Terminate,
)
from settled.testing.isolation import isolated
from settled.testing.report import Execution, Report
from settled.testing.served import Server
from settled.testing.stage import Stage

__all__ = [
    "EVERY_FAULT",
    "Execution",
    "Exit",
    "Fault",
    "Freeze",
    "Hang",
    "Kill",
    "LedgerAway",
    "ManualClock",
    "OutOfMemory",
    "Raise",
    "Report",
    "Server",
    "Stage",
    "Terminate",
    "isolated",
]
