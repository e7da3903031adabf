"""A stage's server: the user's ASGI application under uvicorn, with its ``Tasks`` moved to the stage's ledger."""

from __future__ import annotations

import pkgutil
import sys

import uvicorn

from settled.testing.worker import entered, tasks_of


def main() -> None:
    """Serve the play's application on the port that the command line names; returns when told to end."""
    play = entered()
    tasks = tasks_of(play)
    with tasks.moved(play.ledger, embedded=tasks.embedded):
        uvicorn.run(
            pkgutil.resolve_name(play.app), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning",
            timeout_graceful_shutdown=2,
        )  # fmt: skip
