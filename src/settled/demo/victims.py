"""Worker processes that are started to be harmed: real processes, real signals, each in a session of its own.

The demo signals only processes that it has started itself, and ends them all before it ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Self

from settled.demo.ledger import LEDGER, ONLY, URL

LIFETIME = 60
"""Seconds after which the kernel ends a victim (alarm(2)), also if the demo itself was killed before."""

_START = f"import signal; signal.alarm({LIFETIME}); from settled.cli import main; main()"


class Victim:
    """One ``settled worker`` process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the worker and to its children; does nothing once the worker has ended."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, number)

    async def ended(self) -> None:
        """Wait until the process has ended."""
        await self._process.wait()


class Victims:
    """All victims of this server: ``async with Victims() as victims: await victims.start("segfault")``."""

    def __init__(self) -> None:
        self._alive: set[Victim] = set()

    async def start(self, name: str) -> Victim:
        """Start a worker that runs the tasks of one name."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _START, "worker", "settled.demo.functions:for_workers",
            env={**os.environ, LEDGER: URL, ONLY: name}, start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        victim = Victim(process)
        self._alive.add(victim)
        return victim

    async def end(self, victim: Victim) -> None:
        """End a victim for good, frozen ones too, and reap it."""
        victim.send(signal.SIGKILL)
        await victim.ended()
        self._alive.discard(victim)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for victim in list(self._alive):
            await self.end(victim)
