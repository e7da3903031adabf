"""``settled dashboard``: the pages for the person on call, on any ledger, for a browser on this machine."""

from __future__ import annotations

import getpass
import logging
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from types import FrameType

from settled.cli.exits import Exit
from settled.cli.ledgers import closed
from settled.cli.parsing import Commands, add_command
from settled.cli.words import whole_above_zero
from settled.dashboard import Access, Dashboard
from settled.dashboard.serving import server_of
from settled.errors import BadInput
from settled.ledger import Ledger
from settled.service import Service


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(commands, "dashboard", run, "serve the dashboard to browsers on this machine")
    command.add_argument("--port", type=whole_above_zero, default=8_025, help="the port to listen on (8025)")
    command.add_argument("--read-only", action="store_true", help="look, but do not act")


def run(args: Namespace) -> Exit:
    """Serve until told to end; whatever is overdue meanwhile is settled, as by any process that looks."""
    opened = _Opened(closed(args))
    who = Access("read" if args.read_only else "write", _name())
    if args.port > 65_535:
        raise BadInput(f"Port {args.port} is not possible: ports go up to 65535.")
    try:
        server = server_of(Dashboard(opened), args.port, who)
    except OSError as error:
        raise BadInput(
            f"Port {args.port} cannot be listened on: {error.strerror}. Choose another with --port."
        ) from None
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        opened.ledger  # noqa: B018  what is wrong with it is said now, not on the first page
        print(f"The dashboard is at http://localhost:{server.server_port}/ (Ctrl+C ends it)", flush=True)
        _end_when_told(server.shutdown)
        server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()
        opened.close()
    return Exit.DONE


class _Opened:
    """A ledger that is swept and followed while it is open, by a process that runs no tasks."""

    def __init__(self, ledger: Ledger) -> None:
        self._service = Service("", ledger, {}, {}, 0.0)

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened."""
        self._service.ready()
        return self._service.ledger

    def close(self) -> None:
        """Let go of it."""
        self._service.let_go()


def _end_when_told(end: Callable[[], None]) -> None:
    def hear(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=end, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hear)


def _name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody on this machine"
