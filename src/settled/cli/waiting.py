"""``settled wait``: ends when the task has settled, and says how by its exit status."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from settled import waiter
from settled.cli import documents
from settled.cli.exits import Exit, of_end
from settled.cli.ledgers import opened
from settled.cli.parsing import Commands, add_command
from settled.cli.words import block, seconds_of
from settled.errors import LedgerUnavailable, TaskNotFound, TaskPruned
from settled.follower import follower
from settled.ledger import Ledger
from settled.periodic import Periodic
from settled.records import Ending
from settled.states import End

SWEEP_TICK = 0.5
"""Seconds between two looks for dead workers, so that a kill is seen though nobody else lives to see it."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(
        commands, "wait", run,
        "wait until a task has settled; exits 0 completed, 1 failed, 3 unknown, 4 unreachable, 5 given up",
    )  # fmt: skip
    command.add_argument("id", metavar="ID", help="the task's whole id")
    command.add_argument(
        "--timeout", type=seconds_of, metavar="TIME", help="give up after this, e.g. 90 or 5m; the task goes on"
    )
    command.add_argument("--json", action="store_true", help="one JSON document: end, reason, message, task")


def run(args: Namespace) -> Exit:
    """Wait, print how it ended."""
    with opened(args) as ledger, _looking(ledger):
        with suppress(TaskNotFound, TaskPruned, LedgerUnavailable):
            ledger.get(args.id)  # raises BadTaskId: a slip of the hand is no unknown task
        try:
            ended = waiter.wait(ledger, args.id, args.timeout)
        except KeyboardInterrupt:
            ended = Ending(End.ABORTED, message="You stopped waiting; the task goes on.")
    if args.json:
        documents.show(documents.ending(ended))
    else:
        print(block(str(ended)))
    return of_end(ended.end)


@contextmanager
def _looking(ledger: Ledger) -> Iterator[None]:
    def sweep() -> float:
        ledger.expire()
        return SWEEP_TICK

    threads = [follower(ledger), Periodic("settled-sweeper", sweep)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.stop()
