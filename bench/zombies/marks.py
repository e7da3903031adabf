"""Finds processes by a mark in their environment, which all that they start inherit, whatever group they move to."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

RUN = "ZOMBIES_RUN"
"""Marks everything that one run of the harness has started."""
PROCESS = "ZOMBIES_PROCESS"
"""Marks one worker or web app, with its children."""


def marked(variable: str, value: str) -> list[int]:
    """The process ids that bear the mark, this process excepted; empty where there is no /proc."""
    wanted = f"{variable}={value}".encode()
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit() and int(name) != os.getpid():
            with suppress(OSError), open(f"/proc/{name}/environ", "rb") as environ:
                if wanted in environ.read().split(b"\0"):
                    found.append(int(name))
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    """Send each a signal, those that have ended meanwhile excepted."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_marked(variable: str, value: str, within: float = 10.0) -> None:
    """Kill all that bear the mark, and what they start meanwhile."""
    end = time.monotonic() + within
    while (pids := marked(variable, value)) and time.monotonic() < end:
        send(pids, signal.SIGKILL)
        time.sleep(0.02)
