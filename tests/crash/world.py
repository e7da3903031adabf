"""One test's world: a ledger in a folder, the processes of an app around it, gates, evidence, independent readers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from settled import Ledger, Snapshot, Status
from settled.stores.urls import store_of
from tests.crash import functions
from tests.crash.eyes import Eyes, Row, SQLiteEyes
from tests.crash.processes import STARTS_WITHIN, Host, Process, until
from tests.crash.witness import Witness

KILLED = 2.0
"""Seconds from a kill to ``failed``, as the issue asks; on a machine that stands still now and then, of the
``quickest``."""
NOTICED = 8.0
"""The same where one kill has to do: still before a sweeper's thorough look, which comes after 10, and long before a
lease of 30 is over. What it really took is recorded."""
HELD = ["held", "held_in_thread", "held_in_process"]
"""One function for each isolation."""
LATE = 0.5
"""Seconds past a deadline, likewise."""
TRIES = 5
"""Of which one has to be in time."""


class Execution(NamedTuple):
    """A line of the evidence."""

    id: str
    attempt: int
    pid: int


class World:
    """Everything of one test; ``close`` ends the processes, and then checks what must hold after any fault."""

    def __init__(
        self, folder: Path, record: Callable[[str, str, float], None], url: str, eyes: Eyes, **options: Any
    ) -> None:
        self.folder = folder
        self.url = url
        self.eyes = eyes
        self.options = options
        self.record = record
        self.gone = False
        """Whether the test has taken the ledger itself away: then there is nothing to look at in the end."""
        self.open_at = 0
        """When the last open answer was true that ``polled`` had; 0 without one."""
        self._evidence = folder / "executions"
        self._processes: list[Process] = []
        self._strangers: list[int] = []
        self._witness = Witness(self.eyes)

    # -- processes

    def worker(
        self, *, wait: bool = True, without: str = "", environment: dict[str, str] | None = None,
        prefix: Sequence[str] = (), **options: Any,
    ) -> Host:  # fmt: skip
        """Start a process that runs tasks; ``prefix`` is what its command begins with, as on another machine."""
        host = Host(self.environment(without, **options) | (environment or {}), self._log(), wait=wait, prefix=prefix)
        self._processes.append(host)
        return host

    def submitter(self, **options: Any) -> Host:
        """Start a process that only submits and answers, as a web process beside workers does."""
        return self.worker(embedded=False, **options)

    def start(self, command: Sequence[str], environment: dict[str, str], pass_fds: Sequence[int] = ()) -> Process:
        """Start any command, to be ended with the test."""
        process = Process(command, environment, self._log(), pass_fds)
        self._processes.append(process)
        return process

    def freeze(self, process: Process, *, group: bool = False) -> float:
        """SIGSTOP, also to whatever it has started in its group; return the instant.

        Not within a write: nobody else could write to a SQLite file until it goes on.
        """

        def stopped() -> float | None:
            instant = time.monotonic()
            os.killpg(process.pid, signal.SIGSTOP) if group else process.signal(signal.SIGSTOP)
            process.has_stopped()
            if not self.eyes.locked():
                return instant
            self.thaw(process, group=group)
            return None

        return until(stopped, 10, "a process is stopped outside of a write")

    def thaw(self, process: Process, *, group: bool = False) -> None:
        """SIGCONT."""
        os.killpg(process.pid, signal.SIGCONT) if group else process.signal(signal.SIGCONT)

    def _log(self) -> Path:
        return self.folder / f"process-{len(self._processes) + 1}.log"

    def environment(self, without: str = "", url: str = "", **options: Any) -> dict[str, str]:
        return {
            functions.LEDGER: url or self.url,
            functions.EVIDENCE: str(self._evidence),
            functions.OPTIONS: json.dumps(self.options | options),
            functions.WITHOUT: without,
        }

    def log_of(self, process: Process) -> str:
        """What a process has written on its standard error."""
        return process.log.read_text("utf-8", "replace")

    # -- the test's own hands; none of them runs a thread that could settle anything

    @cached_property
    def ledger(self) -> Ledger:
        """A reader of the test process, as a poll that lands in another process."""
        ledger = Ledger(store_of(self.url))
        ledger.open()
        return ledger

    @cached_property
    def _functions(self) -> dict[str, Any]:
        return functions.build(self.url, **self.options).functions

    def submit(self, name: str, *args: Any, **using: Any) -> str:
        """Submit from the test process, which runs nothing."""
        return self.ledger.add(self._functions[name].using(**using).new(args, {}))[0].id

    def submit_many(self, count: int, name: str, *args: Any, **using: Any) -> list[str]:
        """The same, many at once."""
        new = self._functions[name].using(**using).new(args, {})

        async def together() -> list[tuple[Snapshot, bool]]:
            return await asyncio.gather(*(self.ledger.aadd(new) for _ in range(count)))

        return [row.id for row, _ in asyncio.run(together())]

    def gate(self, name: str = "gate") -> str:
        return str(self.folder / name)

    def open_gate(self, name: str = "gate") -> float:
        """Let those who wait at a gate go on; return the instant."""
        (self.folder / name).touch()
        return time.monotonic()

    # -- looking

    def executions(self, task_id: str | None = None) -> list[Execution]:
        """Who ran what, by what the functions themselves have written down."""
        lines = self._evidence.read_text("ascii").splitlines() if self._evidence.exists() else []
        found = [Execution(task, int(attempt), int(pid)) for task, attempt, pid in map(str.split, lines)]
        return [execution for execution in found if task_id in (None, execution.id)]

    def executing(self, task_id: str, attempt: int = 1, within: float = 10.0) -> Execution:
        """Wait until an attempt runs."""
        return until(
            lambda: next((e for e in self.executions(task_id) if e.attempt == attempt), None),
            within,
            f"attempt {attempt} of {task_id} runs",
        )

    def rows(self) -> dict[str, Row]:
        """Every row as it is on the disk; looking so settles nothing."""
        return {row["id"]: row for row in self.eyes.table("task_results")}

    def row(self, task_id: str) -> Row:
        return self.eyes.row(task_id)

    def count(self, status: str) -> int:
        """How many tasks have this status."""
        return sum(row["status"] == status for row in self.eyes.table("task_results"))

    def written(self, task_id: str, within: float, status: str | None = None) -> Row:
        """Wait, without settling anything, until the row has settled (or has this status)."""

        def there() -> Row | None:
            row = self.row(task_id)
            return row if row["status"] == status or (status is None and Status(row["status"]).terminal) else None

        return until(there, within, f"{task_id} is {status or 'settled'}; it is {self.row(task_id)}")

    def polled(self, task_id: str, within: float | None = None) -> Snapshot:
        """Poll as a page does, until settled; no answer as of ``settles_at`` or later may be an open one."""
        bound = self.ledger.get(task_id).settles_in + 5 if within is None else within
        self.open_at = 0

        def answered() -> Snapshot | None:
            seen = self.ledger.get(task_id)
            if seen.settled:
                return seen
            assert seen.as_of < seen.settles_at, f"still open past its bound: {seen}"
            self.open_at = seen.as_of
            return None

        return until(answered, bound, f"a poll sees {task_id} settled")

    def workers(self) -> dict[str, Row]:
        """The rows of all workers, by id."""
        return {row["id"]: row for row in self.eyes.table("task_workers")}

    def now(self) -> int:
        """The ledger's clock, in milliseconds."""
        return self.ledger.store.now()

    def family(self, worker: Host) -> list[int]:
        """Have a worker run a task that has a child and a grandchild; return their ids."""
        pids = self.folder / "pids"
        worker.submit("has_a_family", self.gate(), str(pids))
        until(pids.exists, 10, "the family lives")
        family = [self.stranger(int(pid)) for pid in pids.read_text("ascii").split()]
        assert not any(map(gone, family))
        return family

    def stranger(self, pid: int) -> int:
        """Note a process that a task has started, so that it ends with the test at the latest."""
        self._strangers.append(pid)
        return pid

    # -- the end

    def close(self) -> None:
        for process in self._processes:
            process.close()
        for pid in self._strangers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for log in sorted(self.folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text('utf-8', 'replace')[-4000:]}")
        try:
            if not self.gone:
                self._verify()
        finally:
            self._witness.finish()
            if "ledger" in self.__dict__:
                self.ledger.close()

    def _verify(self) -> None:
        """What must hold after any fault, with every process dead."""
        before = self.rows()
        while self.ledger.expire():
            pass
        assert self.ledger.store.past_bound() == []
        after = self.rows()
        for task_id, row in after.items():
            if Status(before[task_id]["status"]).terminal:
                assert row == before[task_id], "a settled row changed"
            assert row["status"] != "running", "nobody lives who could run it"
            if row["status"] == "failed":
                assert row["reason"]
                assert row["error_message"]
                assert row["result_data"] is None
            if row["status"] == "completed":
                assert row["result_data"] is not None
                assert row["finished_at"] <= row["settles_at"]
        for (task_id, attempt), times in Counter((e.id, e.attempt) for e in self.executions()).items():
            assert times == 1, f"attempt {attempt} of {task_id} was executed {times} times"
            assert attempt <= after[task_id]["attempt"] <= after[task_id]["max_attempts"]


class FileWorld(World):
    """A world whose ledger is a SQLite file."""

    def __init__(
        self, folder: Path, record: Callable[[str, str, float], None], ledger_folder: Path | None = None, **options: Any
    ) -> None:
        self.path = (ledger_folder or folder) / "tasks.db"
        super().__init__(folder, record, f"sqlite:///{self.path}", SQLiteEyes(self.path), **options)

    def script(self, name: str, *arguments: str) -> Process:
        """Start a script of this folder beside the app; return when it has said its first line."""
        process = self.start([sys.executable, "-m", f"tests.crash.{name}", str(self.path), *arguments], {})
        process.heard(STARTS_WITHIN)
        return process

    def count(self, status: str) -> int:
        return SQLiteEyes(self.path).count(status)

    def before_deletion(self) -> None:
        """End the witness, which looks at the file too."""
        self.gone = True
        self._witness.finish()

    def close(self) -> None:
        self.gone = self.gone or not self.path.exists()
        super().close()


def quickest(delay: Callable[[], float], bound: float = LATE) -> float:
    """The least of a few delays, in seconds; the first within the bound ends it.

    A machine that stands still now and then makes one of them late; what is late each time is so by itself.
    """
    least = delay()
    for _ in range(TRIES - 1):
        if least >= bound:
            least = min(least, delay())
    return least


def gone(pid: int) -> bool:
    """Whether no such process lives; a zombie that nobody has waited for is dead."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:  # no /proc on this system
        return False
