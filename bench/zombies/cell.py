"""One cell: an instance that is shown to work, one fault, one page that waits, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from bench.zombies.faults import Fault
from bench.zombies.grading import BROKEN, SETTLED, grade
from bench.zombies.instance import Instance
from bench.zombies.kept import impersonal
from bench.zombies.page import Page, Seen

CONTROL_WITHIN = 120.0
"""Seconds for a task that does nothing, before the harm: workers on a busy machine take their time to start."""
BEGUN_WITHIN = 30.0
LINGER = 5.0
"""Seconds that the page looks on after the end, for what flips."""


class CannotStart(Exception):
    """The instance does not even complete a task that does nothing."""


class Cell:
    """What a plot gets: see ``plots.Stage``."""

    def __init__(self, instance: Instance, fault: Fault, patience: float) -> None:
        self._instance = instance
        self._fault = fault
        self._page = Page(instance.base, patience)
        self._token = uuid.uuid4().hex
        self._submitted: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.kill, self.start = instance.kill, instance.start
        self.signal_workers, self.deploy = instance.signal_workers, instance.deploy

    async def submit(self) -> None:
        name = "gone" if self._fault.name == "unknown-task-name" else self._fault.inside
        self._submitted.set_result(await self._page.submit(name, self._token))

    async def begun(self) -> None:
        end = time.monotonic() + BEGUN_WITHIN
        while not self._instance.executions(self._token) and time.monotonic() < end:  # noqa: ASYNC110 - a file says it
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)

    def server(self, role: str) -> Any:
        return self._instance.servers[role]

    def ask_for_nothing(self) -> None:
        self._submitted.set_result(self._instance.system.unknown_id)

    async def play(self) -> dict[str, Any]:
        """Cause the fault, watch, grade."""
        since = self._instance.marks()
        begun_at, load = datetime.now(UTC), os.getloadavg()[0]
        harmed = asyncio.ensure_future(self._fault.plot(self))
        try:
            await asyncio.wait([harmed, self._submitted], return_when=asyncio.FIRST_COMPLETED)
            if not self._submitted.done():
                harmed.result()  # raises
            task = self._submitted.result()
            seen = self._page.seen if task is None else await self._page.watch(task, harmed, LINGER)
            await harmed
            if task is None:  # refused: has it run all the same?
                await asyncio.sleep(LINGER)
        finally:
            harmed.cancel()
            await self._page.close()
        return self._record(seen, since, begun_at, load)

    def _record(self, seen: Seen, since: dict[str, int], begun_at: datetime, load: float) -> dict[str, Any]:
        notes = self._instance.executions(self._token)
        verdict, why = grade(self._fault, seen, notes)
        return {
            "grade": verdict,
            "why": why,
            "status": seen.status,
            "seconds": seen.ended_at,
            "reason": shortened(impersonal(seen.reason)),
            "result": None if seen.result is None else repr(seen.result)[:200],
            "flipped_to": seen.flipped_to,
            "executions": sum(note.endswith(" begin") for note in notes),
            "notes": notes[:40],
            "submit_took": seen.submit_took,
            "polls": seen.polls,
            "changes": seen.changes[:60],
            "at": begun_at.isoformat(timespec="seconds"),
            "load": round(load, 1),
            "log": self._instance.said(since),
        }


def shortened(reason: str) -> str:
    """Its beginning and its end, where a traceback says what it is about."""
    return reason if len(reason) <= 1_000 else f"{reason[:300]} … {reason[-700:]}"


async def show_that_it_works(instance: Instance) -> float:
    """Have a task that does nothing completed; return the seconds that took; raise ``CannotStart``."""
    begun = time.monotonic()
    token, page = f"control-{uuid.uuid4().hex}", Page(instance.base, CONTROL_WITHIN)
    try:
        task = await page.submit("control", token)
        if task is not None:
            harmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            harmed.set_result(None)
            await page.watch(task, harmed, 0)
    finally:
        await page.close()
    if page.seen.status != "completed":
        raise CannotStart(f"{page.seen.status or 'no end'}: {page.seen.reason[:300]} {page.seen.changes[-3:]}")
    if not instance.executions(token):
        raise CannotStart("it is called completed, and this instance did not run it")
    return round(time.monotonic() - begun, 2)


async def run_cell(instance: Instance, fault: Fault, patience: float) -> tuple[dict[str, Any], bool]:
    """The record of a cell, and whether the instance may bear another fault."""
    since = instance.marks()
    try:
        control = await show_that_it_works(instance)
    except CannotStart as error:
        return {"grade": BROKEN, "why": str(error), "log": instance.said(since)}, False
    starts = [process.starts for process in (instance.web, *instance.workers)]
    record = await Cell(instance, fault, patience).play()
    record["control_took"] = control
    same_processes = starts == [process.starts for process in (instance.web, *instance.workers)]
    return record, fault.clean and same_processes and record["grade"] == SETTLED


async def cell_of(instance: Instance, fault: Fault, patience: float) -> tuple[dict[str, Any], bool]:
    """The same; what goes wrong in the harness itself is a broken cell, and said."""
    try:
        return await run_cell(instance, fault, patience)
    except Exception as error:
        log = ""
        with contextlib.suppress(OSError):
            log = instance.said({})
        return {"grade": BROKEN, "why": f"{type(error).__name__}: {error}", "log": log}, False
