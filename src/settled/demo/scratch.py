"""A ledger of its own, in a temporary folder, that is locked, filled up, deleted or misled while a task runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from settled import Status, Task, Tasks
from settled.clock import SystemClock
from settled.demo.fault import Fault
from settled.stores.sqlite import SQLiteStore

LOCKER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


class SetClock(SystemClock):
    """The machine's clocks, of which somebody has set the one that tells the time of day."""

    def __init__(self, hours: int) -> None:
        self._ahead = hours * 3_600_000

    def wall_ms(self) -> int:
        return super().wall_ms() + self._ahead


class Scratch:
    """One fault's own ledger, with its one task function."""

    def __init__(self, fault: Fault) -> None:
        self._folder = TemporaryDirectory(prefix="settled-demo-", ignore_cleanup_errors=True)
        self._file = Path(self._folder.name) / "scratch.db"
        self.tasks = Tasks(f"sqlite:///{self._file}", lease=1.0, drain=0)
        self._function = fault.register(self.tasks)
        self._task: Task | None = None

    async def submit(self) -> Task:
        """Submit the fault's task; this opens the ledger and starts a worker's engine in this process."""
        self._task = await self._function.asubmit()
        return self._task

    async def running(self) -> None:
        """Wait until the task runs."""
        while self._task is not None and self._task.refresh().status is Status.PENDING:
            await self.tasks.changed(self._task.id, timeout=0.1)

    async def settled(self) -> None:
        """Wait until the task has settled, or nobody can say any more."""
        if self._task is not None:
            await self._task

    async def locked_by_another_program(self, seconds: float) -> None:
        """Return once another program holds the database's write lock, and keeps it for so long."""
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LOCKER, str(self._file), str(seconds), stdout=asyncio.subprocess.PIPE
        )
        assert program.stdout is not None
        await program.stdout.readline()
        self._locker = asyncio.create_task(program.wait())

    def fill_up(self) -> None:
        """Let the disk be full: SQLite may not use one page more than it has."""
        self._limit_pages(1)  # SQLite takes the present size for any limit below it

    def make_room(self) -> None:
        """Let there be room again."""
        self._limit_pages(1_000_000_000)

    def delete_the_file(self) -> None:
        """Delete the database under the ledger that has it open."""
        for file in self._file.parent.glob(f"{self._file.name}*"):
            if file.is_file():
                file.unlink()

    async def set_the_clock(self, hours: int) -> None:
        """Let this ledger, and another process that opens it now, find the time of day so many hours off.

        The machine's own clock is root's to set; what the library asks for the time (``settled.clock``) is not.
        """
        self._store.clock = SetClock(hours)
        late_comer = SQLiteStore(self._file, SetClock(hours))
        await asyncio.to_thread(late_comer.open)
        late_comer.close()

    async def close(self) -> None:
        """Let go of the ledger and remove its folder."""
        await asyncio.to_thread(self.tasks.stop)
        self._folder.cleanup()

    @property
    def _store(self) -> SQLiteStore:
        store = self.tasks.ledger.store
        assert isinstance(store, SQLiteStore)
        return store

    def _limit_pages(self, pages: int) -> None:
        # The limit belongs to the writer's connection, which nobody else needs to reach.
        self._store._connection().execute(f"PRAGMA max_page_count = {pages}").fetchone()
