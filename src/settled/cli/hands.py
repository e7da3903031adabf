"""``settled cancel`` and ``settled retry``: what a person may do to a task."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable

from settled.cli import documents
from settled.cli.exits import Exit, of_error
from settled.cli.ledgers import opened
from settled.cli.parsing import Commands, add_command
from settled.cli.words import line
from settled.errors import SettledError
from settled.ledger import Ledger
from settled.records import Snapshot


def add(commands: Commands) -> None:
    """Add both commands to the parser."""
    command = add_command(commands, "cancel", cancel, "settle open tasks as failed, cancelled")
    command.add_argument("ids", metavar="ID", nargs="+", help="the tasks' whole ids")
    command.add_argument("--message", default="Cancelled on request.", help="what whoever waits is told")
    command.add_argument("--json", action="store_true", help="one JSON document a line, one for each task")
    command = add_command(commands, "retry", retry, "submit a settled task's call again, as a new task; prints its id")
    command.add_argument("id", metavar="ID", help="the settled task's whole id")
    command.add_argument("--json", action="store_true", help="the new task as one JSON document")


def cancel(args: Namespace) -> Exit:
    """Cancel each; go on after a refusal, and exit with the first one's status."""

    def one(ledger: Ledger, task_id: str) -> Snapshot:
        return ledger.cancel(task_id, args.message)

    with opened(args) as ledger:
        exits = [_done(one, ledger, task_id, as_json=args.json) for task_id in dict.fromkeys(args.ids)]
    return next((status for status in exits if status is not Exit.DONE), Exit.DONE)


def retry(args: Namespace) -> Exit:
    """Submit again; only the new id goes to standard output, for ``settled wait $(settled retry ID)``."""
    with opened(args) as ledger:
        row, created = ledger.retry(args.id)
    if args.json:
        documents.show(documents.task(row))
    else:
        print(row.id)
        said = "submitted again" if created else f"was submitted again already, and that is {row.status}"
        print(f"settled: {line(row.name)} {said}", file=sys.stderr)
    return Exit.DONE


def _done(do: Callable[[Ledger, str], Snapshot], ledger: Ledger, task_id: str, *, as_json: bool) -> Exit:
    try:
        row = do(ledger, task_id)
    except SettledError as error:
        print(f"settled: {line(task_id)}: {error}", file=sys.stderr)
        return of_error(error)
    if as_json:
        documents.show(documents.task(row))
    else:
        print(f"{row.id} {row.status}, {row.reason}")
    return Exit.DONE
