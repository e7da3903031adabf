"""``settled worker``: runs an application's tasks in this process, or starts its engine's worker, until told to end."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import threading
from argparse import Namespace
from types import FrameType

from settled.cli.exits import Exit
from settled.cli.ledgers import without_credentials
from settled.cli.parsing import Commands, add_command
from settled.cli.target import tasks_of
from settled.cli.words import line, seconds_of, whole_above_zero
from settled.engines.base import RemoteEngine
from settled.errors import BadInput
from settled.tasks import Tasks

END_SECONDS = 5.0
"""Once every task is settled the process ends within this, whatever threads and coroutines are left hanging in it."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(
        commands, "worker", run, "run an application's tasks until SIGTERM or Ctrl-C", argparse.SUPPRESS
    )
    command.add_argument("target", metavar="MODULE:ATTRIBUTE", help="the application's Tasks object, as in app:tasks")
    limits = "at once in this process (default: what Tasks was given)"
    command.add_argument("--concurrency", type=whole_above_zero, metavar="N", help=f"coroutines {limits}")
    command.add_argument("--threads", type=whole_above_zero, metavar="N", help=f"functions in threads {limits}")
    command.add_argument("--processes", type=whole_above_zero, metavar="N", help=f"functions in processes {limits}")
    command.add_argument(
        "--engine", metavar="NAME", help="start the worker of the engine that Tasks was given: celery or procrastinate"
    )
    command.add_argument("--drain", type=seconds_of, metavar="TIME", help="what running tasks get at the end (same)")
    command.add_argument(
        "--pass", dest="rest", metavar="OPTION", action="append", default=[],
        help="an option for the engine's own worker, as in --pass=--pool=threads",
    )  # fmt: skip


def run(args: Namespace) -> Exit:
    """Run the engine on the main thread's loop; drain at the first signal, end at once at the second."""
    if args.ledger:
        raise BadInput(
            "A worker uses the ledger of the application's Tasks object; --ledger has no meaning here. Leave it out."
        )
    tasks = tasks_of(args.target)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")  # does nothing if the application did
    if args.engine is not None:
        _work_for(_engine(tasks, args), args)
    elif args.rest:
        raise BadInput(f"{' '.join(args.rest)!r} is for an engine's own worker, and no --engine is named. Name it too.")
    else:
        asyncio.run(_work(tasks, args))
    return Exit.DONE


def _engine(tasks: Tasks, args: Namespace) -> RemoteEngine:
    engine = tasks.engine
    if engine is None:
        raise BadInput(f"{args.target} has no engine; leave --engine out, or give its Tasks one.")
    if engine.name != args.engine:
        raise BadInput(f"The engine of {args.target} is {engine.name}, not {args.engine}. Use --engine {engine.name}.")
    if args.threads or args.processes:
        raise BadInput(f"The worker of {engine.name} knows --concurrency alone; leave --threads and --processes out.")
    return engine


def _work_for(engine: RemoteEngine, args: Namespace) -> None:
    print(f"settled: worker {os.getpid()} of {engine.name} runs tasks of {line(args.target)}", flush=True)
    engine.work(concurrency=args.concurrency, drain=args.drain, arguments=args.rest)


async def _work(tasks: Tasks, args: Namespace) -> None:
    told = asyncio.Event()
    _hear(told)
    async with tasks.working(
        concurrency=args.concurrency, threads=args.threads, processes=args.processes, drain=args.drain
    ):
        names = ", ".join(sorted(tasks.functions))
        print(
            f"settled: worker {os.getpid()} runs {line(names)} of {args.target} on {without_credentials(tasks.url)}",
            flush=True,
        )
        await told.wait()
        print(f"settled: worker {os.getpid()} takes no more and drains; a second signal ends it at once", flush=True)
    ending = threading.Timer(END_SECONDS, os._exit, (Exit.DONE,))
    ending.daemon = True
    ending.start()
    print(f"settled: worker {os.getpid()} has ended", flush=True)


def _hear(told: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def hear(number: int, frame: FrameType | None) -> None:
        # The next one is the kernel's: it works also while a task holds this thread.
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        loop.call_soon_threadsafe(told.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hear)
