"""What is done from outside to the workers that run a task, while it runs."""

from __future__ import annotations

import asyncio
import signal

from settled.demo.scratch import Scratch
from settled.demo.stage import Stage


async def left_alone(stage: Stage) -> None:
    """A worker runs the task, which does the harm by itself."""
    await stage.worker()
    await stage.settled()


async def nobody_comes(stage: Stage) -> None:
    """No worker is started."""
    await stage.settled()


async def killed(stage: Stage) -> None:
    """The worker is killed while it runs the task, and nobody restarts it."""
    victim = await stage.worker()
    await stage.running()
    victim.send(signal.SIGKILL)
    await stage.settled()


async def killed_and_restarted(stage: Stage) -> None:
    """The worker is killed during the first attempt; the next worker runs the second."""
    await killed_at(stage, attempt=1)
    await left_alone(stage)


async def killed_twice(stage: Stage) -> None:
    """The worker is killed and restarted twice in a row; the third one runs the third attempt."""
    await killed_at(stage, attempt=1)
    await killed_at(stage, attempt=2)
    await left_alone(stage)


async def killed_at(stage: Stage, attempt: int) -> None:
    """A worker is started, and killed when it runs this attempt."""
    victim = await stage.worker()
    await stage.running(attempt)
    victim.send(signal.SIGKILL)
    await victim.ended()


async def restarted_for_ever(stage: Stage) -> None:
    """Whenever the worker dies, another one is started, as a process supervisor would do."""
    settled = asyncio.ensure_future(stage.settled())
    while not settled.done():
        victim = await stage.worker()
        dead = asyncio.ensure_future(victim.ended())
        await asyncio.wait((settled, dead), return_when=asyncio.FIRST_COMPLETED)


async def frozen(stage: Stage) -> None:
    """The worker is stopped for longer than its lease, then goes on and delivers a result that is too late."""
    victim = await stage.worker()
    await stage.running()
    await stage.freeze(victim)
    await stage.settled()
    victim.send(signal.SIGCONT)
    await asyncio.sleep(3)


async def terminated(stage: Stage) -> None:
    """The worker is asked to end, as in a deploy, and the task outlasts the grace that it has."""
    victim = await stage.worker()
    await stage.running()
    victim.send(signal.SIGTERM)
    await stage.settled()


async def database_locked(scratch: Scratch) -> None:
    """Another program holds the database's lock for 15 s, during which the task ends."""
    await scratch.running()
    await scratch.locked_by_another_program(15)
    await scratch.settled()


async def disk_full_for_a_while(scratch: Scratch) -> None:
    """The disk is full when the task ends, and has room again four seconds later."""
    await scratch.running()
    scratch.fill_up()
    await asyncio.sleep(4)
    scratch.make_room()
    await scratch.settled()


async def disk_full(scratch: Scratch) -> None:
    """The disk is full when the task ends, and stays so."""
    await scratch.running()
    scratch.fill_up()
    await scratch.settled()


async def clock_set(scratch: Scratch) -> None:
    """The time of day is set an hour ahead while the task runs, then to an hour behind."""
    await scratch.running()
    for hours in (1, -1):
        await scratch.set_the_clock(hours)
        await asyncio.sleep(0.5)
    await scratch.settled()


async def file_deleted(scratch: Scratch) -> None:
    """Somebody deletes the database while the task runs."""
    await scratch.running()
    await asyncio.sleep(0.5)  # so that who waits has seen it run, and knows its deadline
    scratch.delete_the_file()
    await scratch.settled()
