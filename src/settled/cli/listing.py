"""``settled ls``: the tasks of a ledger, newest first."""

from __future__ import annotations

import sys
from argparse import Namespace

from settled.cli import documents, tables
from settled.cli.exits import Exit
from settled.cli.ledgers import opened
from settled.cli.parsing import Commands, add_command
from settled.cli.tables import Column
from settled.cli.words import line, whole_above_zero
from settled.ids import created_ms
from settled.records import Snapshot
from settled.states import Reason, Status
from settled.times import ago, duration

COLUMNS = (
    Column("ID"),
    Column("STATUS", coloured=True),
    Column("NAME", least=8),
    Column("MADE", spare=True),
    Column("TOOK", spare=True),
    Column("WHAT", least=11),
)

SHOWN = 500
"""Characters of a message or result that are looked at: it may be a megabyte, and no terminal's line is that long."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(commands, "ls", run, "list tasks, newest first")
    command.add_argument("--status", choices=[status.value for status in Status], help="only those that stand so")
    command.add_argument("--name", help="only those of this task function")
    command.add_argument(
        "--reason", choices=[reason.value for reason in Reason], help="only those that failed for this reason"
    )
    command.add_argument("--limit", type=whole_above_zero, default=50, metavar="N", help="at most so many (50)")
    command.add_argument("--before", metavar="ID", help="only those made before this one: the next page")
    command.add_argument("--json", action="store_true", help="one JSON document a line")


def run(args: Namespace) -> Exit:
    """Print the tasks that match."""
    if args.before is not None:
        created_ms(args.before)  # raises BadTaskId
    with opened(args) as ledger:
        rows = ledger.list(status=args.status, name=args.name, reason=args.reason, limit=args.limit, before=args.before)
    if args.json:
        for row in rows:
            documents.show(documents.task(row))
    elif rows:
        tables.show(COLUMNS, [_cells(row) for row in rows])
        if len(rows) == args.limit:
            print(f"There may be more: --before {rows[-1].id}", file=sys.stderr)
    else:
        print("No task matches.", file=sys.stderr)
    return Exit.DONE


def what(row: Snapshot) -> str:
    """The most telling words on how a task stands."""
    if row.status is Status.FAILED:
        return f"{row.reason or 'no reason'}: {row.error_message}"
    if row.status is Status.COMPLETED:
        text = row.result_data or "null"
        return documents.readable(text) if len(text) <= SHOWN else text[:SHOWN]
    last = f"settles {ago(row.settles_at, row.as_of)}"
    attempt = f"attempt {row.attempt} of {row.max_attempts}, " if row.max_attempts > 1 and row.attempt else ""
    done = "" if row.progress is None else f"{row.progress:.0%} "
    said = f"{done}{row.progress_message or ''}".strip()
    return f"{attempt}{said + ', ' if said else ''}{last}"


def took(row: Snapshot) -> str:
    """How long it has run, or ran in its last attempt; nothing if it never did."""
    if row.started_at is None or row.status is Status.PENDING:
        return "–"
    return duration(max(0, (row.finished_at or row.as_of) - row.started_at))


def _cells(row: Snapshot) -> list[str]:
    return [row.id, row.status, line(row.name), ago(row.created_at, row.as_of), took(row), line(what(row)[:SHOWN])]
