"""Completes a task, and stops in the middle of its transaction. Arguments: the database file, the task's id."""

from __future__ import annotations

import os
import signal
import sys

from settled import LedgerUnavailable, Status
from settled.records import Verdict
from settled.stores.sqlite import SQLiteStore


def main(path: str, task: str) -> None:
    store = SQLiteStore(path)
    store.open()
    try:
        with store.transaction() as transaction:
            transaction.settle([Verdict(task, 1, Status.COMPLETED, '"late"', row=store.read([task])[0])])
            os.write(sys.stdout.fileno(), b"stopping\n")
            os.kill(os.getpid(), signal.SIGSTOP)
    except LedgerUnavailable as error:
        print(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
