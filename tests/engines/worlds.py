"""One ledger with an engine: the test's process submits and answers, as a web process does; others run the tasks."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from settled import Ledger, Snapshot, Task, doctor
from settled.engines.base import Message
from settled.records import WorkerRow
from tests.crash import functions as crash_functions
from tests.crash.eyes import Eyes
from tests.crash.processes import Process, until
from tests.crash.world import World
from tests.engines.engine import engine_of
from tests.engines.functions import build
from tests.engines.kinds import Kind

APP = "SETTLED_ENGINES_APP"
UP_WITHIN = 40.0


class EngineWorld(World):
    """Everything around one engine; its workers are started when they are first asked for, and then kept."""

    def __init__(self, folder: Path, kind: Kind, url: str, eyes: Eyes) -> None:
        super().__init__(folder, lambda *measured: None, url, eyes, lease=30.0, embedded=False)
        self.kind = kind
        settings = {**kind.settings, "url": self.url, "options": self.options}
        self.app = {APP: json.dumps(settings), crash_functions.EVIDENCE: str(self._evidence)}
        os.environ.update(self.app)  # a pool's workers inherit it
        self.tasks = build(self.url, engine_of(settings), **self.options)
        self.process: Process | None = None
        self.killed_at = 0
        self._gates = 0

    @property
    def ledger(self) -> Ledger:  # type: ignore[override]
        return self.tasks.ledger

    # -- workers

    def up(self) -> None:
        """Have workers; those that a command starts are known to be alive."""
        self.kind.begin()
        if self.kind.command and (self.process is None or not self.process.alive):
            self.process = self.start(self.kind.command, self.app)
            until(self.workers_alive, UP_WITHIN, "a worker is alive")

    def down(self) -> None:
        """Kill all of the worker, with its children."""
        self.kind.end()
        if self.process is not None:
            self.process.close()
            self.process = None
            until(lambda: not self.workers_alive(), 10, "its workers are found dead")

    def workers_alive(self) -> list[int]:
        """The process ids of those that can run something."""
        return [worker.pid for worker in self._workers()]

    def engines(self) -> set[str | None]:
        """What brings those their tasks."""
        return {worker.engine for worker in self._workers()}

    def _workers(self) -> list[WorkerRow]:
        return [worker for worker in self.ledger.workers() if worker.alive and worker.names != "[]"]

    # -- tasks

    def send(self, name: str, *args: Any, **using: Any) -> Task:
        """Submit as an application does."""
        return self.tasks.functions[name].using(**using).submit(*args)

    def end_of(self, task: Task, within: float = 30.0) -> Snapshot:
        ending = task.wait(within)
        assert ending.snapshot is not None, f"{ending}; {task.refresh()}"
        return ending.snapshot

    def deliver(self, task: Task) -> None:
        """Give the engine a message for the task, as it may do itself."""
        engine = self.tasks.engine
        assert engine is not None
        engine.publish([Message(task.id, task.snapshot.name, 60.0)])

    def until_published(self, count: int) -> None:
        """Wait until so many messages wait at the broker; there must be no worker."""
        until(lambda: self.kind.messages() == count, 15, f"{count} messages are published")

    def kill(self, pid: int) -> None:
        """Kill one process of a worker's, and note when, on the ledger's clock."""
        self.killed_at = self.now()
        os.kill(pid, signal.SIGKILL)

    def new_gate(self) -> str:
        self._gates += 1
        return f"gate-{self._gates}"

    def check(self) -> None:
        """Open what is held, and have the doctor look."""
        for number in range(self._gates + 1):
            self.open_gate(f"gate-{number}")
        broken = [finding for finding in doctor.check(self.ledger) if finding.level == "broken"]
        assert not broken

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.tasks.stop()
            for name in self.app:
                os.environ.pop(name, None)
