"""The process that writes what a worker's main process knows: ``python -m settled.adopt.clerk``.

A prefork pool forks new children at any time, so its main process must not open what they would inherit. What only
it hears (a task revoked or expired, a hard time limit, a child lost) goes through a pipe, one line of JSON each.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO

from settled.adopt.book import close
from settled.descriptors import readable
from settled.errors import SettledError
from settled.ledger import Ledger
from settled.runner.outcome import Outcome
from settled.states import Reason
from settled.stores.urls import store_of
from settled.sweeper import sweeper

log = logging.getLogger("settled")
TRIES = 10
"""For one line, while the ledger is away; then its task settles by its bound."""
WRITTEN_WITHIN = 1.0
"""Seconds for which the main process may wait until a task is settled whose process it is about to kill."""
SLOW = 30.0
"""Seconds for which it does not wait again, if that was not enough."""


class Clerk:
    """The way to it, from the main process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None
        self._slow_until = 0.0
        self._guard = threading.Lock()

    def start(self) -> None:
        """Have one; it ends with the last process that holds its pipe."""
        with self._guard:
            self._started()

    def tell(self, task_id: str, outcome: Outcome, *, first: bool = False) -> None:
        """Have a task settled; a line may be lost, and then its task settles by its bound.

        ``first``: before its process is killed, so that nobody finds that dead sooner; waits for that, a moment.
        """
        first = first and time.monotonic() >= self._slow_until
        line = json.dumps([first, task_id, *outcome]).encode() + b"\n"
        with self._guard:
            try:
                process = self._started()
                os.write(_pipe(process.stdin), line)
                if first and not readable([_pipe(process.stdout)], WRITTEN_WITHIN):
                    self._slow_until = time.monotonic() + SLOW
                elif first:
                    os.read(_pipe(process.stdout), 100)
            except OSError as error:
                log.warning("Task %s settles only by its bound, for the clerk does not listen: %s", task_id, error)

    def stop(self) -> None:
        """Let it write what it has been told, and end."""
        with self._guard:
            process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
        if process is not None and process.stdout is not None:
            process.stdout.close()

    def leave(self) -> None:
        """In a child of the process that has it: hold its pipe open no longer."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "settled.adopt.clerk"]
            self._process = subprocess.Popen(  # a session of its own: it outlasts a Ctrl-C
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=0
            )
            pipe = _pipe(self._process.stdin)
            os.set_blocking(pipe, False)
            os.write(pipe, json.dumps(self._url).encode() + b"\n")  # not on its command line: it may hold a password
        return self._process


def _pipe(end: IO[bytes] | None) -> int:
    assert end is not None
    return end.fileno()


def main() -> None:
    """Settle what is told on the standard input, until it ends; sweep meanwhile."""
    ledger = Ledger(store_of(json.loads(sys.stdin.readline())))
    sweeping = sweeper(ledger)
    _try(ledger.open)
    sweeping.start()
    for line in sys.stdin:
        answer, task_id, reason, *rest = json.loads(line)
        _try(partial(close, ledger, task_id, Outcome(Reason(reason), *rest)))
        if answer:
            os.write(sys.stdout.fileno(), b".")
    sweeping.stop(patience=2.0)
    ledger.close()


def _try(act: Callable[[], object]) -> None:
    for _ in range(TRIES):
        try:
            act()
            return
        except SettledError as error:
            log.warning("The clerk of a Celery worker tries again: %s", error)
            _pause.wait(1.0)


_pause = threading.Event()  # never set: it is only waited for

if __name__ == "__main__":
    main()
