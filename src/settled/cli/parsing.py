"""How commands and the options that they share are told to argparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeAlias

from settled.cli.exits import Exit

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run = Callable[[argparse.Namespace], Exit]

LEDGER_HELP = (
    "the ledger's URL, sqlite:///tasks.db or postgresql://… (default: SETTLED_LEDGER, else tasks.db in this folder)"
)


def add_command(
    commands: Commands, name: str, run: Run, help_: str, ledger_help: str = LEDGER_HELP
) -> argparse.ArgumentParser:
    """Add a command that ``run`` carries out; it takes ``--ledger`` too, as people type it on either side."""
    command = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.", allow_abbrev=False)
    command.add_argument("--ledger", metavar="URL", default=argparse.SUPPRESS, help=ledger_help)
    command.set_defaults(run=run)
    return command
