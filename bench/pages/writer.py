"""The worker's process: claims a task, says so, and settles it at a word. python -m bench.pages.writer LEDGER ID"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from settled import Tasks


def timed(tasks: Tasks, settle: Callable[[], object]) -> str:
    """Settle; return when that was begun, and when the commit was through, by the clock that all processes share."""
    store: Any = tasks.ledger.store
    write, commits = store.write, []

    def noted(changes: Any) -> Any:
        written = write(changes)
        if any(verb == "settle" for verb, _ in changes):
            commits.append(time.monotonic())
        return written

    store.write = noted
    began = time.monotonic()
    settle()
    del store.write
    return f"{began} {commits[0]}"


def main(ledger: str, task_id: str) -> None:
    """Print both instants."""
    tasks = Tasks(ledger)
    block = tasks.settling(task_id)
    block.__enter__()
    print("it runs", flush=True)
    sys.stdin.readline()
    print(timed(tasks, lambda: block.__exit__(None, None, None)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
