"""Runs cells side by side: so many lanes, each with one instance at a time, which it keeps while that stays sound."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.zombies.cell import cell_of
from bench.zombies.faults import Fault
from bench.zombies.grading import ABSENT, BROKEN
from bench.zombies.instance import Instance
from bench.zombies.processes import Undertaker
from bench.zombies.system import System

STARTING = 3
"""Instances that start at once; they cost processors, cells mostly wait."""
BUSY = 2
"""Cells at once whose culprit keeps a processor busy."""
TRIES = 3
"""Of a cell whose instance does not even do its control task: some systems lose sight of a sound one now and then."""

Report = Callable[[System, Fault, dict[str, Any]], None]


class Schedule:
    """All cells of some systems and faults, each reported when it is done."""

    def __init__(
        self, systems: list[System], faults: list[Fault], patience: float, folder: Path, undertaker: Undertaker,
        report: Report,
    ) -> None:  # fmt: skip
        self._patience, self._folder, self._undertaker, self._report = patience, folder, undertaker, report
        self._starting, self._busy = asyncio.Semaphore(STARTING), asyncio.Semaphore(BUSY)
        self._solos = 0
        self._tries: Counter[tuple[str, str]] = Counter()
        self._open: dict[str, list[Fault]] = {}
        self._systems = {system.name: system for system in systems}
        self._lanes: dict[str, int] = dict.fromkeys(self._systems, 0)
        for system in systems:
            reasons = {fault.name: absence(system, fault) for fault in faults}
            self._open[system.name] = [fault for fault in faults if not reasons[fault.name]]
            self._open[system.name].sort(key=lambda fault: not fault.solo)  # begun early, for few run at once
            for fault in faults:
                if reasons[fault.name]:
                    report(system, fault, {"grade": ABSENT, "why": reasons[fault.name]})

    async def run(self, at_once: int) -> None:
        """Return when every cell is reported."""
        await asyncio.gather(*(self._lane() for _ in range(at_once)))

    async def _lane(self) -> None:
        while name := self._next_system():
            self._lanes[name] += 1
            try:
                await self._instance(self._systems[name], self._taken(self._open[name], name))
            finally:
                self._lanes[name] -= 1

    def _next_system(self) -> str:
        """The one with most to do for each lane that it has."""
        waiting = {name: len(faults) / (1 + self._lanes[name]) for name, faults in self._open.items() if faults}
        return max(waiting, key=lambda name: waiting[name], default="")

    def _taken(self, among: list[Fault], name: str) -> Fault:
        """The next of these faults; one that would wait for a processor only if nothing else is left."""
        fault = next((fault for fault in among if not fault.solo or self._solos < BUSY), among[0])
        self._open[name].remove(fault)
        self._solos += fault.solo
        return fault

    async def _instance(self, system: System, fault: Fault) -> None:
        """Cells on one instance, until it is spoilt."""
        instance = Instance(system, self._folder, self._undertaker, small_disk=fault.needs == "disk")
        try:
            async with self._starting:
                await instance.__aenter__()
        except Exception as error:
            self._done(system, fault, {"grade": BROKEN, "why": f"{type(error).__name__}: {error}"})
            return
        try:
            following: Fault | None = fault
            while following is not None:
                following = await self._cell(instance, following)
        finally:
            await instance.__aexit__()

    async def _cell(self, instance: Instance, fault: Fault) -> Fault | None:
        async with self._busy if fault.solo else asyncio.Semaphore(1):
            begun = time.monotonic()
            record, sound = await cell_of(instance, fault, self._patience)
            record["took"] = round(time.monotonic() - begun, 1)
        self._done(instance.system, fault, record)
        name = instance.system.name
        clean = [other for other in self._open[name] if other.clean]
        return self._taken(clean, name) if sound and clean else None

    def _done(self, system: System, fault: Fault, record: dict[str, Any]) -> None:
        """Report a cell; a broken one is begun again, on another instance."""
        self._solos -= fault.solo
        self._tries[system.name, fault.name] += 1
        if record["grade"] == BROKEN and self._tries[system.name, fault.name] < TRIES:
            self._open[system.name].append(fault)
        else:
            self._report(system, fault, record)


def absence(system: System, fault: Fault) -> str:
    """Why a fault cannot happen to a system; nothing if it can."""
    if fault.name in system.without:
        return system.without[fault.name]
    if fault.needs == "broker" and "broker" not in system.servers:
        return "It has no broker beside its store."
    if fault.needs == "store" and system.servers["store"] == "sqlite":
        return "Its store is a file; no server can be away."
    if fault.needs == "disk" and (sys.platform != "linux" or not _is_root()):
        return "A small disk can be made by root alone."
    if not system.workers and fault.name in ("submitted-while-nothing-runs", "unknown-task-name"):
        return "The web app runs its tasks itself; there is no worker that could be missing or older."
    return ""


def _is_root() -> bool:
    import os

    return os.geteuid() == 0


def count(cells: Mapping[str, Mapping[str, Any]]) -> int:
    """How many cells there are."""
    return sum(map(len, cells.values()))
