"""The command line: ``settled [--ledger URL] COMMAND``. It sees all that the ledger holds, private parts too.

Errors are one line on standard error and an exit status (see ``exits``), never a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from settled import __version__
from settled.cli import batches, dashboard, demo, hands, latest, listing, showing, upkeep, waiting, worker
from settled.cli.exits import Exit, of_error
from settled.cli.parsing import LEDGER_HELP
from settled.cli.words import line
from settled.errors import SettledError

_EPILOG = """exit status: 0 done, 1 failed or refused or broken, 2 wrong usage, 3 no such task,
4 ledger unreachable, 5 gave up waiting"""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # no encoding of a terminal is a reason to fail
    try:
        status = _run(argv)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        return Exit.PIPE_CLOSED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except SettledError as error:
        print(f"settled: {line(str(error))}", file=sys.stderr)
        return of_error(error)


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    if args.command is None:
        parser.print_help(sys.stderr)
        return Exit.USAGE
    status: Exit = args.run(args)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="settled",
        description="Background tasks that always settle: look at them, run them, check their ledger.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"settled {__version__}")
    parser.add_argument("--ledger", metavar="URL", help=LEDGER_HELP)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for room in (listing, showing, batches, hands, waiting, latest, upkeep, worker, dashboard, demo):
        room.add(commands)
    return parser
