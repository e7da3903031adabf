"""A stage's worker: the user's ``Tasks``, moved to the stage's ledger, running its tasks until told to end."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import pkgutil
import signal
import sys
import threading

from settled.runner import context
from settled.tasks import Tasks
from settled.testing import agent
from settled.testing.play import Play, played


def main() -> None:
    """Run as the play says; never returns."""
    play = entered()
    os.environ[context.HOOK] = agent.HOOK  # for the processes of isolation="process"
    context.hook = agent.arm
    tasks = tasks_of(play)
    with tasks.moved(play.ledger, embedded=True):
        asyncio.run(_work(tasks))
        os._exit(0)  # threads and coroutines that a fault has left hanging must not keep it


def entered() -> Play:
    """Begin: end with the stage, whatever happens to it, and say in the log what is done here."""
    play = played()
    if play is None:
        sys.exit("This is started by settled.testing, with a play in its environment.")
    threading.Thread(target=_end_with_the_stage, daemon=True).start()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return play


def tasks_of(play: Play) -> Tasks:
    """Import what the play names."""
    for module in play.modules:
        importlib.import_module(module)
    tasks: Tasks = pkgutil.resolve_name(play.tasks)
    return tasks


async def _work(tasks: Tasks) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with tasks.working():
        await asyncio.to_thread(agent.tell, "ready")
        await told.wait()


def _end_with_the_stage() -> None:
    """Its standard input is a pipe from the stage, which writes nothing to it."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)
