"""``settled demo``: the page where everything goes wrong, and settles."""

from __future__ import annotations

from argparse import Namespace
from importlib.util import find_spec

from settled.cli.exits import Exit
from settled.cli.parsing import Commands, add_command
from settled.cli.words import whole_above_zero
from settled.errors import BadInput

NEEDED = ("fastapi", "uvicorn", "httpx")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(commands, "demo", run, "serve the demo, on a ledger of its own", "another ledger for it")
    command.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    command.add_argument("--port", type=whole_above_zero, default=8000, help="the port to listen on (8000)")
    command.add_argument(
        "--also", action="append", default=[], metavar="PACKAGE", help="serve PACKAGE.app:app too, below /PACKAGE"
    )


def run(args: Namespace) -> Exit:
    """Serve until told to end. SETTLED_LEDGER is not heeded: the demo's faults have no place in a ledger of work."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise BadInput(
            f"The demo needs {', '.join(missing)}, which is not installed. Get it with: pip install {' '.join(missing)}"
        )
    if args.port > 65_534:
        raise BadInput(f"Port {args.port} is not possible: the demo takes it and the next one, up to 65535.")
    for name in args.also:
        if not _has_app(name):
            raise BadInput(f"There is no module {name}.app to serve. Is its folder in PYTHONPATH?")
    from settled.demo import serve  # what it imports is an extra, and not needed by any other command

    if args.ledger:
        serve(args.host, args.port, args.ledger, also=args.also)
    else:
        serve(args.host, args.port, also=args.also)
    return Exit.DONE


def _has_app(name: str) -> bool:
    try:
        return find_spec(f"{name}.app") is not None
    except ModuleNotFoundError:
        return False
