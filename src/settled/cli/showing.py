"""``settled show``: all that the ledger knows of one task, with what never leaves over HTTP."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence

from settled.cli import documents
from settled.cli.exits import Exit
from settled.cli.ledgers import opened
from settled.cli.listing import took
from settled.cli.parsing import Commands, add_command
from settled.cli.tables import coloured
from settled.cli.words import block, line
from settled.records import Snapshot, WorkerRow
from settled.states import Status
from settled.times import ago, duration, instant_text


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(commands, "show", run, "show all of one task: arguments, worker, result or error, traceback")
    command.add_argument("id", metavar="ID", help="the task's whole id")
    command.add_argument("--json", action="store_true", help="one JSON document")


def run(args: Namespace) -> Exit:
    """Print the task."""
    with opened(args) as ledger:
        row = ledger.get(args.id)
        workers = ledger.workers() if row.worker else []
    if args.json:
        documents.show(documents.task(row))
        return Exit.DONE
    for title, text in _facts(row, workers):
        print(f"{coloured(f'{title:<11}', 'title')} {text}")
    for title, text in _blocks(row):
        print(f"\n{coloured(title, 'title')}\n{_indented(block(text))}")
    return Exit.DONE


def _facts(row: Snapshot, workers: Sequence[WorkerRow]) -> Iterator[tuple[str, str]]:
    yield "Task", row.id
    yield "Name", line(row.name)
    reason = f", {row.reason}" if row.reason else ""
    yield "Status", f"{coloured(row.status, row.status)}{reason}, attempt {row.attempt} of {row.max_attempts}"
    if row.error_message is not None:
        yield "Message", line(row.error_message)
    if row.error_type:
        yield "Error type", line(row.error_type)
    if row.previous_error:
        yield "Before", line(row.previous_error)
    if row.progress is not None or row.progress_message:
        done = "" if row.progress is None else f"{row.progress:.0%} "
        yield "Progress", done + line(row.progress_message or "")
    yield from _instants(row)
    limits = f"timeout {duration(row.timeout_ms)}, lease {duration(row.lease_ms)}"
    yield "Limits", limits + (f", backoff {duration(row.backoff_ms)}" if row.max_attempts > 1 else "")
    if row.worker:
        known = next((f", process {w.pid} on {line(w.host)}" for w in workers if w.id == row.worker), "")
        yield "Worker", line(row.worker) + known
    for title, text in (("Key", row.key), ("Owner", row.owner), ("Retry of", row.retry_of)):
        if text:
            yield title, line(text)


def _instants(row: Snapshot) -> Iterator[tuple[str, str]]:
    yield "Made", _instant(row.created_at, row)
    if row.started_at is not None:
        yield "Started", _instant(row.started_at, row)
    if row.finished_at is not None:
        ran = f", took {took(row)}" if row.started_at is not None else ""
        yield "Settled", f"{_instant(row.finished_at, row)}{ran}"
        return
    if row.status is Status.PENDING:
        yield "Due", _instant(row.due_at, row)
    yield "Deadline", _instant(row.deadline_at, row)
    yield "Settles by", _instant(row.settles_at, row)


def _instant(instant: int, row: Snapshot) -> str:
    return f"{instant_text(instant)}  ({ago(instant, row.as_of)})"


def _blocks(row: Snapshot) -> Iterator[tuple[str, str]]:
    yield "Arguments", documents.readable(row.arguments, 2)
    if row.result_data is not None:
        yield "Result", documents.readable(row.result_data, 2)
    if row.traceback:
        yield "Traceback", row.traceback.rstrip()


def _indented(text: str) -> str:
    return "\n".join(f"  {part}".rstrip() for part in text.split("\n"))
