"""The worker's process: claims a task, says so, and settles it at a word. python -m bench.pages.writer LEDGER ID"""

from __future__ import annotations

import sys
import time

from settled import Tasks


def main(ledger: str, task_id: str) -> None:
    """Print the instant just before the terminal write, by the monotonic clock that all processes share."""
    tasks = Tasks(ledger)
    with tasks.settling(task_id):
        print("it runs", flush=True)
        sys.stdin.readline()
        began = time.monotonic()
    print(began, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
