"""Causes faults: submits a fault's task, and has its plot played out in the background."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable
from typing import NamedTuple, Self

from starlette.routing import Mount, Router

from settled import Task
from settled.demo.fault import Fault, Place
from settled.demo.functions import functions
from settled.demo.scratch import Scratch
from settled.demo.stage import Stage
from settled.demo.victims import Victims
from settled.web.asgi import TasksApp

log = logging.getLogger("settled.demo")
LONGEST_PLOT = 60.0  # seconds
AT_ONCE = 6  # plots with workers of their own: processes that start all at once starve the server
AFTERWARDS = 20.0  # seconds for which a scratch ledger still answers


class Caused(NamedTuple):
    """A fault's task, and the path below which it can be asked for."""

    task: Task
    prefix: str = "/tasks"


class Director:
    """``async with Director() as director: await director.cause(fault)``; ends what it began when it is left.

    A fault that harms a worker or a ledger of its own happens once at a time: asked for again
    meanwhile, it is the one under way.
    """

    def __init__(self) -> None:
        self.scratches = Router()
        self._numbers = itertools.count(1)
        self._victims = Victims()
        self._under_way: dict[str, Caused] = {}
        self._plays: set[asyncio.Task[None]] = set()
        self._one_by_one = asyncio.Lock()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def cause(self, fault: Fault) -> Caused:
        """Submit the fault's task, durably, and return it; what is to happen to it happens later."""
        if fault.place is Place.SERVER:
            return Caused(await functions[fault.name].asubmit())
        async with self._one_by_one:
            if fault.name not in self._under_way:
                put_on = self._on_a_scratch_ledger if fault.place is Place.SCRATCH else self._in_a_worker
                self._under_way[fault.name] = await put_on(fault)
            return self._under_way[fault.name]

    async def _in_a_worker(self, fault: Fault) -> Caused:
        tasks = [await functions[fault.name].asubmit() for _ in range(fault.copies)]

        async def play() -> None:
            async with self._places, Stage(tasks, self._victims) as stage:
                await fault.plot(stage)

        self._play(fault, play())
        return Caused(tasks[0])

    async def _on_a_scratch_ledger(self, fault: Fault) -> Caused:
        scratch = Scratch(fault)
        task = await scratch.submit()
        mount = Mount(f"/{next(self._numbers)}", app=TasksApp(scratch.tasks))
        self.scratches.routes.append(mount)

        async def play() -> None:
            try:
                await fault.plot(scratch)
                self._under_way.pop(fault.name, None)
                await asyncio.sleep(AFTERWARDS)
            finally:
                self.scratches.routes.remove(mount)
                await scratch.close()

        self._play(fault, play())
        return Caused(task, f"/scratch{mount.path}")

    def _play(self, fault: Fault, plot: Awaitable[None]) -> None:
        async def play() -> None:
            try:
                async with asyncio.timeout(LONGEST_PLOT + AFTERWARDS):
                    await plot
            except Exception:
                log.exception("The plot of the fault %s failed", fault.name)
            finally:
                self._under_way.pop(fault.name, None)

        playing = asyncio.create_task(play())
        self._plays.add(playing)
        playing.add_done_callback(self._plays.discard)

    async def __aenter__(self) -> Self:
        await self._victims.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for playing in self._plays:
            playing.cancel()
        await asyncio.gather(*self._plays, return_exceptions=True)
        await self._victims.__aexit__(None, None, None)
