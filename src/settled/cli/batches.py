"""``settled batch``: how a batch stands, and why tasks of it failed."""

from __future__ import annotations

from argparse import Namespace

from settled import ledger_batches
from settled.cli import documents
from settled.cli.exits import Exit
from settled.cli.ledgers import opened
from settled.cli.parsing import Commands, add_command
from settled.cli.tables import coloured
from settled.cli.words import line
from settled.times import ago, instant_text


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(
        commands, "batch", run, "show how many tasks of a batch are in which status, and why any failed"
    )
    command.add_argument("id", metavar="ID", help="the batch's whole id")
    command.add_argument("--json", action="store_true", help="one JSON document")


def run(args: Namespace) -> Exit:
    """Print the batch."""
    with opened(args) as ledger:
        batch = ledger_batches.get(ledger, args.id)
        failures = ledger_batches.failures(ledger, args.id) if batch.failed else []
    if args.json:
        told = [{"reason": f.reason, "message": f.message, "count": f.number} for f in failures]
        documents.show({**batch._asdict(), "settled": batch.settled, "total": batch.total, "failures": told})
        return Exit.DONE
    counts = ", ".join(f"{number:,} {coloured(status, status)}" for status, number in batch.counts.items() if number)
    facts = {"Batch": batch.id, "Name": line(batch.name), "Tasks": f"{batch.total:,}: {counts}"}
    facts["Made"] = f"{instant_text(batch.created_at)}  ({ago(batch.created_at, batch.as_of)})"
    by = batch.settles_at if batch.finished_at is None else batch.finished_at
    facts["Settles by" if batch.finished_at is None else "Settled"] = f"{instant_text(by)}  ({ago(by, batch.as_of)})"
    for title, text in facts.items():
        print(f"{coloured(f'{title:<11}', 'title')} {text}")
    for failure in failures:
        print(f"{failure.number:>7,} × {failure.reason}: {line(failure.message)}")
    return Exit.DONE
