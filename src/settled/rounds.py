"""Long waits on an event loop."""

from __future__ import annotations

import asyncio

from settled.ear import Ear

STEP = 0.5
"""Seconds within which long waits end together."""


class Rounds:
    """Long waits on one event loop, from one timer for all: a timer for each costs more than the wait.

    A hashed timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, dict[Ear, None]] = {}  # by the steps of the loop's clock
        self._timer: asyncio.TimerHandle | None = None

    async def await_(self, ear: Ear, seconds: float) -> bool:
        """``ear.await_``, which ends up to ``STEP`` seconds too soon."""
        if seconds < 2 * STEP:
            return await ear.await_(seconds)
        if not ear.has_rung:
            slot = int((self._loop.time() + seconds) / STEP)
            if slot not in self._slots:
                self._slots[slot] = {}
                self._wind()
            self._slots[slot][ear] = None
            try:
                await ear.turn()
            finally:
                self._slots.get(slot, {}).pop(ear, None)
        return ear.has_rung

    def _wind(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_at((int(self._loop.time() / STEP) + 1) * STEP, self._go)

    def _go(self) -> None:
        self._timer = None
        now = int(self._loop.time() / STEP + 1e-3)  # a timer may be early by the resolution of its clock
        for slot in [slot for slot in self._slots if slot <= now]:
            for ear in self._slots.pop(slot):
                ear.let_go()
        if self._slots:
            self._wind()
