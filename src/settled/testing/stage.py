"""A stage for one test: real worker processes on a ledger of their own, real faults, and a verdict on what was seen."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from settled.errors import BadInput
from settled.function import TaskFunction
from settled.ledger import Ledger
from settled.stores.urls import store_of
from settled.tasks import Tasks
from settled.testing.faults import Fault, Hang
from settled.testing.ground import Ground, ground_of
from settled.testing.names import target_of
from settled.testing.performance import Performance
from settled.testing.play import Play
from settled.testing.report import Report
from settled.testing.served import Server

STARTS_WITHIN = 60.0
"""The start_timeout of what is run here, unless the test gives one: the stage starts the worker itself."""
LONGEST_HANG = 60.0


class Stage:
    """``with Stage(folder) as stage: report = stage.run(scrape, "https://…", fault=Kill(line=2))``.

    folder  where its ledger and the logs of its processes are
    ledger  ``postgresql://user@host/database``, in which it makes a schema and drops it; by default SQLite
    """

    def __init__(self, folder: Path, ledger: str = "") -> None:
        self._folder = folder
        self._ground: Ground = ground_of(ledger, folder)
        self._numbers = itertools.count(1)
        self._servers: list[Server] = []
        self.url = self._ground.url
        self.ledger = Ledger(store_of(self.url))
        """The stage's own reader. It runs no sweeper; as a page that polls does, it settles what it asks for."""
        self.ledger.open()

    def run(
        self, function: TaskFunction[..., Any], /, *args: Any, fault: Fault | None = None, restart: bool = True,
        timeout: float | None = None, start_timeout: float | None = None, attempts: int | None = None, **kwargs: Any,
    ) -> Report:  # fmt: skip
        """Start a worker, submit one call, strike, poll until it has settled, and look once more in the end.

        restart   whether a worker that has ended is started again, as a supervisor would do
        timeout   and the others: limits in place of the function's own

        Raises ``AssertionError`` if the task has not settled by its ``settles_at``, has changed afterwards, ran one
        attempt twice, or if the fault never struck; its text says what was seen, with the worker's log.
        """
        if isinstance(fault, Hang) and (timeout or function.policy.timeout) > LONGEST_HANG:
            raise BadInput(
                f"{function.name} may run for {function.policy.timeout:g} s, and so long the test would wait for a "
                "line that hangs. Give timeout=2."
            )
        limited = function.using(
            timeout=timeout, attempts=attempts, start_timeout=STARTS_WITHIN if start_timeout is None else start_timeout
        )
        module = function.function.__module__
        play = Play(self.url, target_of(_tasks_of(function), module), (module,))
        log = self._folder / f"worker-{next(self._numbers)}.log"
        with Performance(self.ledger, self._ground, play, limited, fault, log) as performance:
            return performance.play(limited.new(args, kwargs), restart=restart)

    def serve(self, app: str, tasks: Tasks) -> Server:
        """Start an ASGI application (``"myapp:app"``) in a process of its own, on this ledger; return when it answers.

        ``tasks`` is the application's. Needs uvicorn.
        """
        module = app.partition(":")[0]
        play = Play(self.url, target_of(tasks, module), (module,), app=app)
        server = Server(play, self._folder / f"server-{next(self._numbers)}.log")
        self._servers.append(server)
        server.start()
        return server

    def close(self) -> None:
        """End every process, and remove the ledger."""
        closing: list[Callable[[], None]] = [*(server.close for server in self._servers), self._ground.give_back]
        for close in (*closing, self.ledger.close, self._ground.close):
            close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _tasks_of(function: TaskFunction[..., Any]) -> Tasks:
    tasks = function.submitter
    if not isinstance(tasks, Tasks):
        raise BadInput(f"{function.name} belongs to no Tasks object, so no worker can run it.")
    return tasks
