"""The processes of a soak: kept alive by a supervisor, sampled, and the ones that may be harmed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

from bench.soak.app import LEDGER

ROOT = Path(__file__).parents[2]
PAGE = os.sysconf("SC_PAGE_SIZE")
ENDS_WITHIN = 20.0
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "131072"}
"""As docs/deploying.md advises; else glibc keeps what a large text has freed, and nobody can tell that from a leak."""


class Member:
    """One process that is started again whenever it ends, as a supervisor would."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path, url: str = "") -> None:
        self.name = name
        self.url = url
        self.starts = 0
        self.pause = 0.0
        """Seconds that the supervisor lets go by before the next start."""
        self._command = command
        self._environment = os.environ | environment
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, env=self._environment, cwd=ROOT, start_new_session=True,
                    stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
            self.starts += 1
            await self._process.wait()
            await asyncio.sleep(self.pause)
            self.pause = 0.0

    def send(self, number: signal.Signals) -> None:
        """Signal the process and what it has started in its group."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def end(self) -> None:
        """Tell it to end, and kill it if it does not."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is None:
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), ENDS_WITHIN)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await process.wait()

    def sample(self) -> tuple[int, int, int] | None:
        """Resident bytes, descriptors and threads; None while it is down."""
        alive = self._process is not None and self._process.returncode is None
        return sample(self._process.pid) if alive and self._process is not None else None


def sample(pid: int) -> tuple[int, int, int] | None:
    """The same for any process of this user."""
    try:
        resident = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * PAGE
        return resident, len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return None


def cast(ledger: str, folder: Path) -> list[Member]:
    """Two demo servers and three workers on one ledger. The first of each is never harmed, so that it grows old."""
    environment = {LEDGER: ledger, "SETTLED_STATE_FOLDER": str(folder / "state"), **ALLOCATOR}
    settled = [sys.executable, "-m", "settled.cli"]
    members = []
    for name in ("server", "server struck"):
        port = _two_ports()
        command = [*settled, "demo", "--port", str(port), "--ledger", ledger]
        log = folder / f"{name.replace(' ', '-')}.log"
        members.append(Member(name, command, environment, log, f"http://127.0.0.1:{port}"))
    for name in ("worker", "worker struck", "worker struck too"):
        log = folder / f"{name.replace(' ', '-')}.log"
        members.append(Member(name, [*settled, "worker", "bench.soak.app:tasks"], environment, log))
    return members


def _two_ports() -> int:
    """A free port whose successor, where the demo's local site listens, is free too."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = int(first.getsockname()[1])
            try:
                with socket.create_server(("127.0.0.1", port + 1)):
                    return port
            except (OSError, OverflowError):
                continue
