"""What is done from outside: each plot gets the instance, submits when its time has come, and harms."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol


class Stage(Protocol):
    """What a plot may do; the page looks on meanwhile."""

    async def submit(self) -> None:
        """Submit the task as the page does; the page polls from its answer on."""

    async def begun(self) -> None:
        """Return when an execution has begun, and half a second later."""

    async def kill(self, *, workers: bool = True, web: bool = False, servers: bool = False) -> None:
        """Kill; the web app is started again a second later, as are workers that live in it."""

    async def start(self) -> None:
        """Start what was killed, servers first."""

    def signal_workers(self, number: signal.Signals) -> None:
        """Send every worker a signal."""

    async def deploy(self, patience: float) -> None:
        """Tell the workers to end, kill those that have not after so many seconds, start new ones."""

    def server(self, role: str) -> Server:
        """The store or the broker."""

    def ask_for_nothing(self) -> None:
        """Poll for an id that was never submitted."""


class Server(Protocol):
    """A store or a broker."""

    async def kill(self) -> None: ...
    async def start(self) -> None: ...
    async def stick(self, seconds: float) -> None: ...
    async def empty(self) -> None: ...
    def fill_up(self) -> None: ...
    def make_room(self) -> None: ...


Plot = Callable[[Stage], Awaitable[None]]
SECOND = 1.0
FROZEN = 40.0
"""Seconds: more than each lease here but those that are a minute or more."""
PATIENCE = 3.0
"""Seconds that a deploy waits for workers; half of what the task takes."""


async def nothing(stage: Stage) -> None:
    await stage.submit()


async def workers_killed(stage: Stage) -> None:
    await stage.submit()
    await stage.begun()
    await stage.kill()


async def workers_killed_and_restarted(stage: Stage) -> None:
    await workers_killed(stage)
    await asyncio.sleep(SECOND)
    await stage.start()


async def workers_killed_twice(stage: Stage) -> None:
    await workers_killed_and_restarted(stage)
    await asyncio.sleep(3 * SECOND)
    await stage.kill()
    await asyncio.sleep(SECOND)
    await stage.start()


async def all_killed_and_restarted(stage: Stage) -> None:
    await stage.submit()
    await stage.begun()
    await stage.kill(web=True, servers=True)
    await asyncio.sleep(SECOND)
    await stage.start()


async def workers_frozen(stage: Stage) -> None:
    await stage.submit()
    await stage.begun()
    stage.signal_workers(signal.SIGSTOP)
    await asyncio.sleep(FROZEN)
    stage.signal_workers(signal.SIGCONT)


async def deployed(stage: Stage) -> None:
    await stage.submit()
    await stage.begun()
    await stage.deploy(PATIENCE)


async def nobody_comes(stage: Stage) -> None:
    await stage.kill()
    await stage.submit()


async def store_away_at_submit(stage: Stage) -> None:
    await _away_at_submit(stage, "store")


async def broker_away_at_submit(stage: Stage) -> None:
    await _away_at_submit(stage, "broker")


async def _away_at_submit(stage: Stage, role: str) -> None:
    await stage.server(role).kill()
    submitting = asyncio.ensure_future(stage.submit())
    await asyncio.sleep(10)
    await stage.server(role).start()
    await submitting


async def store_restarted(stage: Stage) -> None:
    await _away(stage, "store", SECOND)


async def broker_restarted(stage: Stage) -> None:
    await _away(stage, "broker", SECOND)


async def store_away_at_the_end(stage: Stage) -> None:
    await _away(stage, "store", 15)


async def _away(stage: Stage, role: str, seconds: float) -> None:
    await stage.submit()
    await stage.begun()
    await stage.server(role).kill()
    await asyncio.sleep(seconds)
    await stage.server(role).start()


async def store_stuck(stage: Stage) -> None:
    await stage.submit()
    await stage.begun()
    await stage.server("store").stick(15)


async def broker_emptied(stage: Stage) -> None:
    await stage.kill()
    await stage.submit()
    await stage.server("broker").empty()
    await stage.start()


async def disk_full_for_a_while(stage: Stage) -> None:
    await disk_full_for_good(stage)
    await asyncio.sleep(8)
    stage.server("store").make_room()


async def disk_full_for_good(stage: Stage) -> None:
    await stage.submit()
    await stage.begun()
    stage.server("store").fill_up()


async def never_submitted(stage: Stage) -> None:
    stage.ask_for_nothing()
