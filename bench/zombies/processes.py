"""Processes that the harness starts, harms and ends, with all that they start; none outlives the harness."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bench.zombies.marks import PROCESS, RUN, kill_marked, marked, send

ROOT = Path(__file__).parents[2]
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
RESTARTED_AFTER = 1.0
"""Seconds until a supervisor starts again what has ended, as systemd with ``RestartSec=1``."""


class Undertaker:
    """The process that kills what is left when the harness has ended, be it by SIGKILL."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-m", "bench.zombies.undertaker", self.mark], cwd=ROOT, stdin=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip

    def tell(self, what: str, group: int) -> None:
        """``+`` a process group that has begun, ``-`` one that has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what} {group}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Have it do its work now."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def _dies_with_the_harness() -> None:
    with suppress(OSError, AttributeError):  # not Linux: the undertaker will do
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)


class Process:
    """One command with all that it starts; started again a second after it ends, for as long as it is supervised.

    When the main process has ended, what it has started is killed: so do systemd and containers.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, undertaker: Undertaker,
        environment: Mapping[str, str] | None = None, folder: Path | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.supervised = True
        self.starts = 0
        self._mark = uuid.uuid4().hex
        self._command = command
        self._log = log
        self._undertaker = undertaker
        self._environment = {**os.environ, RUN: undertaker.mark, PROCESS: self._mark, **(environment or {})}
        self._folder = folder or ROOT
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and supervise it from now on."""
        self.supervised = True
        self._say("is started")
        with open(self._log, "ab") as log:  # noqa: ASYNC230 - a local file, at once
            process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, preexec_fn=_dies_with_the_harness,
            )  # fmt: skip
        self._process = process
        self.starts += 1
        self._undertaker.tell("+", process.pid)
        self._watch = asyncio.create_task(self._supervise(process))

    async def _supervise(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self._say(f"has ended with {code}")
        self._undertaker.tell("-", process.pid)
        if self.supervised and self._process is process:
            await asyncio.to_thread(kill_marked, PROCESS, self._mark)
            await asyncio.sleep(RESTARTED_AFTER)
            if self.supervised and self._process is process:
                await self.start()

    @property
    def pid(self) -> int | None:
        """Of the main process; None if it has ended."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the main process and to all that it has started."""
        send(marked(PROCESS, self._mark) or ([self.pid] if self.pid else []), number)

    async def kill(self) -> None:
        """End it for good, frozen or not, with all that it has started; return when it is reaped."""
        self.supervised = False
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await asyncio.to_thread(kill_marked, PROCESS, self._mark)
            await self._process.wait()

    async def terminate(self, patience: float) -> None:
        """SIGTERM to the main process, as a container's runtime does; SIGKILL to all when patience ends."""
        self.supervised = False
        if self._process is not None and self.pid is not None:
            self._say("is told to end")
            os.kill(self._process.pid, signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), patience)
        await self.kill()

    def _say(self, what: str) -> None:
        with open(self._log, "ab") as log:
            log.write(f"--- {self.name} {what}\n".encode())
