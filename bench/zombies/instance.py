"""One running instance of a system: its servers, its web app, its workers, in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import httpx

from bench.zombies.culprits import FOLDER
from bench.zombies.kept import end_of
from bench.zombies.processes import ROOT, Process, Undertaker
from bench.zombies.servers import KINDS, Server, free_port
from bench.zombies.system import System

ESCAPES = re.compile("\x1b\\[[0-9;]*m")  # colours of a terminal
UP_WITHIN = 300.0
"""Seconds, on a machine that others use too, until a web app answers."""


class Instance:
    """``async with Instance(…)``: everything runs, and nothing does afterwards."""

    def __init__(self, system: System, folder: Path, undertaker: Undertaker, small_disk: bool = False) -> None:
        self.system = system
        self.folder = folder / f"{system.name}-{uuid.uuid4().hex[:8]}"
        self.notes = self.folder / "notes"
        self.logs = self.folder / "logs"
        self._undertaker = undertaker
        self._small_disk = small_disk
        self.servers: dict[str, Server] = {}
        self.web: Process
        self.workers: list[Process] = []
        self.base = ""
        self._environment: Mapping[str, str] = {}

    async def __aenter__(self) -> Instance:
        try:
            await self._up()
        except BaseException:
            await self._down()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._down()

    async def _up(self) -> None:
        self.notes.mkdir(parents=True)
        self.notes.chmod(0o777)
        self.logs.mkdir()
        for role, kind in self.system.servers.items():
            self.servers[role] = KINDS[kind](self.folder / "logs" / role, self._undertaker)
            await self.servers[role].make(self._small_disk)
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self._environment = self._told()
        if self.system.setup:
            await self._setup()
        self.web = self._process("web", [part.format(port=port) for part in self.system.web])
        self.workers = [self._process(f"worker-{n}", command) for n, command in enumerate(self.system.workers, 1)]
        for process in (self.web, *self.workers):
            await process.start()
        await self.until_the_web_app_answers()

    def _told(self) -> dict[str, str]:
        store = self.servers["store"].url
        broker = self.servers["broker"].url if "broker" in self.servers else store
        return {
            FOLDER: str(self.notes), "ZOMBIES_STORE": store, "ZOMBIES_BROKER": broker, "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(self.notes.parent), "PATH": self._path(),
            "PYTHONPATH": str(ROOT),
            **self.system.environment,
        }  # fmt: skip

    def _path(self) -> str:
        return f"{Path(self._command('python')[0]).parent}:{os.environ['PATH']}"

    def _command(self, *command: str) -> list[str]:
        """With ``python`` as the interpreter that has this system installed, and its scripts found."""
        python = str(self.system.python or sys.executable)
        store = self.servers["store"].url
        return [python if part == "python" else part.replace("{store}", store) for part in command]

    def _process(self, name: str, command: list[str] | tuple[str, ...]) -> Process:
        role = {"ZOMBIES_ROLE": name.partition("-")[0]}
        return Process(
            name, self._command(*command), self.logs / f"{name}.log", self._undertaker, {**self._environment, **role}
        )

    async def _setup(self) -> None:
        environment = {**os.environ, **self._environment, "ZOMBIES_ROLE": "setup"}
        with open(self.logs / "setup.log", "wb") as log:  # noqa: ASYNC230 - a local file, at once
            process = await asyncio.create_subprocess_exec(
                *self._command(*self.system.setup), env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log,
            )  # fmt: skip
            if await asyncio.wait_for(process.wait(), UP_WITHIN):
                raise RuntimeError(f"the setup of {self.system.name} failed: {self.tail('setup')}")

    async def until_the_web_app_answers(self) -> None:
        """Return when any answer comes, or raise."""
        end = time.monotonic() + UP_WITHIN
        async with httpx.AsyncClient(base_url=self.base, timeout=10) as client:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    await client.get("/")
                    return
                if time.monotonic() > end:
                    raise RuntimeError(f"the web app of {self.system.name} does not answer: {self.tail('web')}")
                await asyncio.sleep(0.1)

    async def kill(self, *, workers: bool = True, web: bool = False, servers: bool = False) -> None:
        """Kill at once; a web app that runs the tasks is a worker too, and its supervisor brings it back."""
        victims = [*(self.workers if workers else []), *([self.web] if web else [])]
        if workers and not self.workers and not web:
            self.web.send(signal.SIGKILL)
        await asyncio.gather(
            *(victim.kill() for victim in victims), *(server.kill() for server in self.servers.values() if servers)
        )

    async def start(self) -> None:
        """Start what was killed, servers first."""
        for server in self.servers.values():
            if server.process is not None and server.process.pid is None:
                await server.start()
        for process in (self.web, *self.workers):
            if process.pid is None and not process.supervised:
                await process.start()

    def signal_workers(self, number: signal.Signals) -> None:
        for process in self.workers or [self.web]:
            process.send(number)

    async def deploy(self, patience: float) -> None:
        """Tell the workers to end, kill those that have not after so many seconds, start new ones."""
        processes = self.workers or [self.web]
        await asyncio.gather(*(process.terminate(patience) for process in processes))
        for process in processes:
            await process.start()

    def executions(self, token: str) -> list[str]:
        """What the culprit noted of a task, line by line."""
        file = self.notes / token
        return file.read_text("utf-8").splitlines() if file.exists() else []

    def marks(self) -> dict[str, int]:
        """How long each log is now."""
        return {log.name: log.stat().st_size for log in sorted(self.logs.glob("*.log"))}

    def said(self, since: Mapping[str, int], most: int = 1_200) -> str:
        """What all processes wrote on their logs since then; of each the end."""
        parts = []
        for log in sorted(self.logs.glob("*.log")):
            with open(log, "rb") as file:
                file.seek(max(since.get(log.name, 0), log.stat().st_size - 10 * most))
                text = file.read().decode("utf-8", "replace").replace(str(self.folder), "…")
            text = end_of(ESCAPES.sub("", text).replace(str(ROOT), "…").strip(), most)
            if text:
                parts.append(f"==> {log.name}\n{text}")
        return "\n".join(parts)

    def tail(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text("utf-8", "replace")[-1500:]

    async def _down(self) -> None:
        processes = [*self.workers, *([self.web] if hasattr(self, "web") else [])]
        await asyncio.gather(*(process.kill() for process in processes))
        await asyncio.gather(*(server.close() for server in self.servers.values()))
