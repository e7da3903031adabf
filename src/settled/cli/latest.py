"""``settled latest``: the keys of latest functions; list and show them, set, purge and refresh by hand."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import Any

from settled.cli import documents, tables
from settled.cli.exits import Exit
from settled.cli.ledgers import opened
from settled.cli.listing import SHOWN
from settled.cli.parsing import Commands, add_command
from settled.cli.tables import Column, coloured
from settled.cli.words import block, line, whole_above_zero
from settled.errors import BadInput, TaskNotFound
from settled.json_text import decoded
from settled.latest import Latest, hands
from settled.times import ago, duration, instant_text

COLUMNS = (
    Column("NAME", least=6),
    Column("KEY", least=8),
    Column("STATE", coloured=True),
    Column("GOT", spare=True),
    Column("WHAT", least=11),
)


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser("latest", help="the latest values of keys: list, show, set, purge, refresh")
    inner = parser.add_subparsers(dest="latest", metavar="COMMAND", title="commands", required=True)
    command = add_command(inner, "ls", list_keys, "list keys in their order")
    command.add_argument("name", metavar="NAME", nargs="?", help="only those of this latest function")
    command.add_argument("--failing", action="store_true", help="only those whose newest refresh failed")
    command.add_argument("--after", metavar="KEY", help="only those behind this one, of NAME: the next page")
    command.add_argument("--limit", type=whole_above_zero, default=50, metavar="N", help="at most so many (50)")
    command.add_argument("--json", action="store_true", help="one JSON document a line")
    command = add_command(inner, "show", show, "show a key: value, error, former values")
    _key(command)
    command = add_command(inner, "set", put, "put a value by hand; a refresh under way is cancelled")
    _key(command)
    command.add_argument("value", metavar="JSON", help="the value, as JSON")
    command = add_command(inner, "purge", purge, "forget a key; a refresh under way is cancelled")
    _key(command)
    command = add_command(inner, "refresh", refresh, "refresh a key now, as it was refreshed the last time")
    _key(command)


def list_keys(args: Namespace) -> Exit:
    """Print the keys that match."""
    if args.after is not None and args.name is None:
        raise BadInput("--after names a key of one function; name that too.")
    with opened(args) as ledger:
        after = None if args.after is None else (args.name, args.after)
        rows = ledger.store.list_latest(args.name, after, args.limit, failing=args.failing)
        found = [hands.look(ledger, row.name, row.key) for row in rows]
    if args.json:
        for latest in found:
            documents.show(document(latest))
    elif found:
        tables.show(COLUMNS, [_cells(latest) for latest in found])
        if len(found) == args.limit:
            print(f"There may be more: {line(found[-1].name)} --after {line(found[-1].key)}", file=sys.stderr)
    else:
        print("No key matches.", file=sys.stderr)
    return Exit.DONE


def show(args: Namespace) -> Exit:
    """Print all that is known of a key."""
    with opened(args) as ledger:
        if not ledger.store.latest([(args.name, args.key)]):
            raise TaskNotFound(
                f"Nothing is known of {args.key!r} of {args.name}. Keys are as their function makes them."
            )
        latest = hands.look(ledger, args.name, args.key)
        former = ledger.store.former(args.name, args.key, 20)
    if args.json:
        history = [{"value": decoded(f.text), "got_at": instant_text(f.got_at)} for f in former]
        documents.show(document(latest) | {"history": history})
        return Exit.DONE
    _say("Key", f"{latest.name} {latest.key}")
    print(f"{coloured('State      ', 'title')} {coloured(_state(latest), _state(latest))}")
    if latest.got_at is not None:
        _say("Got", f"{instant_text(latest.got_at)}  ({ago(latest.got_at, latest.as_of)})")
    if latest.last_error is not None:
        error = latest.last_error
        _say("Last error", f"{error.reason}: {error.message}")
        _say("Failed", f"{instant_text(error.at)}  ({ago(error.at, latest.as_of)}), {latest.failures} in a row")
        _say("Again in", duration(latest.retry_in * 1000) if latest.retry_in else "at the next look")
    if latest.task_id:
        _say("Task", latest.task_id)
    if latest.found:
        print(f"\n{coloured('Value', 'title')}\n{block(documents.readable(latest.text or 'null', 2))}")
    for each in former:
        _say("Before", f"{instant_text(each.got_at)}  {documents.readable(each.text or 'null')[:SHOWN]}")
    return Exit.DONE


def put(args: Namespace) -> Exit:
    """Set a value."""
    try:
        text = json.dumps(json.loads(args.value))
    except (ValueError, RecursionError):
        raise BadInput(f"{args.value[:60]!r} is no JSON; a text needs its quotes, as in '\"text\"'.") from None
    with opened(args) as ledger:
        return _changed(hands.put(ledger, args.name, args.key, text), args)


def purge(args: Namespace) -> Exit:
    """Forget a key; UNKNOWN if there was none."""
    with opened(args) as ledger:
        there = hands.purge(ledger, args.name, args.key)
    if args.json:
        documents.show({"purged": there})
    else:
        print("Purged." if there else "There was no such key.", file=sys.stdout if there else sys.stderr)
    return Exit.DONE if there else Exit.UNKNOWN


def refresh(args: Namespace) -> Exit:
    """Start a refresh; only its task's id goes to standard output, for ``settled wait``."""
    with opened(args) as ledger:
        return _changed(hands.refresh(ledger, args.name, args.key), args)


def document(latest: Latest) -> dict[str, Any]:
    """A key as ``--json`` prints it; the names are those of the HTTP surface."""
    error = latest.last_error
    return {
        "name": latest.name,
        "key": latest.key,
        "found": latest.found,
        "value": decoded(latest.text),
        "got_at": None if latest.got_at is None else instant_text(latest.got_at),
        "age": latest.age,
        "stale": latest.stale,
        "last_error": error and {**error._asdict(), "at": instant_text(error.at)},
        "failures": latest.failures,
        "retry_in": latest.retry_in,
        "refreshing": latest.refreshing,
        "task": latest.task_id,
        "settles_in": latest.settles_in,
        "settled": latest.settled,
    }


def _key(command: Any) -> None:
    command.add_argument("name", metavar="NAME", help="the latest function")
    command.add_argument("key", metavar="KEY", help="the key")
    command.add_argument("--json", action="store_true", help="one JSON document")


def _changed(latest: Latest, args: Namespace) -> Exit:
    if args.json:
        documents.show(document(latest))
    else:
        print(latest.task_id if latest.refreshing else _state(latest))
    return Exit.DONE


def _state(latest: Latest) -> str:
    if latest.refreshing:
        return "running"
    if latest.last_error is not None:
        return "failed"
    return "stale" if latest.stale else "fresh"


def _cells(latest: Latest) -> list[str]:
    error = latest.last_error
    what = documents.readable(latest.text[:SHOWN] if len(latest.text) > SHOWN else latest.text) if latest.text else "–"
    if error is not None:
        what = f"{error.reason}: {error.message}"
    got = "never" if latest.got_at is None else ago(latest.got_at, latest.as_of)
    return [line(latest.name), line(latest.key), _state(latest), got, line(what[:SHOWN])]


def _say(title: str, text: str) -> None:
    print(f"{coloured(f'{title:<11}', 'title')} {line(text)}")
