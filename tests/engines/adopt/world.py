"""One adopted app: the test's process calls its tasks and answers for them, real workers of Celery run them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from settled import Ending, Snapshot, doctor
from tests import brokers
from tests.crash.processes import Process, until
from tests.crash.world import World
from tests.engines.adopt.app import APP, make
from tests.engines.ledgers import FileLedger, PostgresLedger


class AdoptedWorld(World):
    """The app on a broker, with a ledger; its worker is started when it is first asked for."""

    def __init__(self, folder: Path, broker: str, pool: str = "prefork", *, ledger: str = "file", **more: Any) -> None:
        self._place = PostgresLedger() if ledger == "postgres" else FileLedger(folder)
        super().__init__(folder, lambda *measured: None, self._place.url, self._place.eyes)
        self.queue = f"settled-test-{os.urandom(6).hex()}"
        self.settings = {
            "url": self.url, "broker": broker, "backend": brokers.redis_url(), "queue": self.queue,
            "folder": str(folder), **more,
        }  # fmt: skip
        self.app, self.tasks = make(self.settings)
        self._pool = pool
        self.process: Process | None = None

    @property
    def ledger(self) -> Any:  # type: ignore[override]
        return self.tasks.ledger

    def up(self) -> Process:
        """Have a worker, with two children or threads."""
        if self.process is None or not self.process.alive:
            self.process = self.start_worker()
            until(lambda: len(self.alive()) >= (2 if self._pool == "prefork" else 1), 40, "its processes are enlisted")
        return self.process

    def start_worker(self) -> Process:
        command = [
            sys.executable, "-m", "celery", "-A", "tests.engines.adopt.app", "worker", "--pool", self._pool,
            "--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel=WARNING",
            f"--hostname={os.urandom(4).hex()}@%h",
        ]  # fmt: skip
        return self.start(command, {APP: json.dumps(self.settings)})

    def down(self) -> None:
        """Kill all of the worker."""
        if self.process is not None:
            self.process.close()
            self.process = None
            until(lambda: not self.alive(), 10, "its processes are found dead")

    def alive(self) -> list[int]:
        return [worker.pid for worker in self.ledger.workers() if worker.alive and worker.names != "[]"]

    def call(self, name: str, *args: Any, **options: Any) -> str:
        """Call a task as an application does; return its Celery id."""
        return str(self.app.tasks[name].apply_async(args, **options).id)

    def end_of(self, task_id: str, within: float = 30.0) -> Snapshot:
        ending: Ending = self.tasks.wait(task_id, within)
        assert ending.snapshot is not None, f"{ending}"
        return ending.snapshot

    def runs(self, task_id: str) -> list[tuple[int, int]]:
        """The number of retries and the process of each run, by what the tasks have written down."""
        path = self.folder / "runs"
        lines = [line.split() for line in path.read_text("ascii").splitlines()] if path.exists() else []
        return [(int(retries), int(pid)) for id_, retries, pid in lines if id_ == task_id]

    def running(self, task_id: str, times: int = 1) -> int:
        """Wait until it runs for the so manieth time; return its process."""
        found = until(lambda: self.runs(task_id)[times - 1 :], 20, f"{task_id} runs")
        return int(found[0][1])

    def refused(self) -> int:
        return int(self.ledger.counts()["refused"])

    def check(self) -> None:
        assert [finding for finding in doctor.check(self.ledger) if finding.level == "broken"] == []

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._leave_nothing()
            self.tasks.stop()
            self._place.close()

    def _leave_nothing(self) -> None:
        with self.app.connection_for_write() as connection:
            if str(self.settings["broker"]).startswith("amqp"):
                self.app.amqp.queues[self.queue].bind(connection.default_channel).delete()
        client = self.app.backend.client
        for key in client.scan_iter(f"*{self.queue}*"):
            client.execute_command("UNLINK", key)
        self.app.close()
