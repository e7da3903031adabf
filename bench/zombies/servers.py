"""The stores and brokers of one instance: its own, in its own folder, to be killed, frozen, locked and filled up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from functools import cache
from pathlib import Path

from bench.zombies.marks import send
from bench.zombies.processes import Process, Undertaker

ANSWERS_WITHIN = 60.0
ACCOUNT = "postgres"
"""Whom PostgreSQL runs as if the harness runs as root."""
ROOM = 24_000_000
"""Bytes that a small disk has beyond what is on it from the start."""


PORTS = range(20_000, 32_000)
"""Below those that kernels give to outgoing connections, so that none is taken between two starts of a server."""
_given: set[int] = set()


def free_port() -> int:
    """A port of this machine that nobody listens on now, and that was not given before."""
    for _ in range(1_000):
        port = random.choice(PORTS)
        with socket.socket() as probe:
            if port not in _given and probe.connect_ex(("127.0.0.1", port)) != 0:
                _given.add(port)
                return port
    raise RuntimeError("no free port between 20000 and 32000")


def answers(port: int) -> bool:
    """Whether something takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """What keeps state for an instance; ``url`` is what its web app and its workers are told."""

    url = ""

    def __init__(self, folder: Path, undertaker: Undertaker) -> None:
        self.folder = folder
        self._undertaker = undertaker
        self._mounted = False
        self._filling: asyncio.Future[None] | None = None
        self.process: Process | None = None
        folder.mkdir(parents=True)

    async def make(self, small: bool) -> None:
        """Make it, on a small disk if wished, and start it."""
        if small:
            size = self.size() + ROOM
            await asyncio.to_thread(_do, "mount", "-t", "tmpfs", "-o", f"size={size}", "zombies", str(self.folder))
            self._mounted = True
        await asyncio.to_thread(self.prepare)
        await self.start()

    def size(self) -> int:
        """The bytes that it takes when it is new."""
        return 0

    def prepare(self) -> None:
        """Lay its files out."""

    async def start(self) -> None:
        """Start it; return when it answers."""

    async def kill(self) -> None:
        """End it as a power cut does."""

    async def stick(self, seconds: float) -> None:
        """Have it answer nobody for so long."""

    async def empty(self) -> None:
        """Lose everything."""

    def fill_up(self) -> None:
        """Leave no room on its disk, and take what is freed there, until ``make_room``."""
        self._filling = asyncio.ensure_future(self._fill())

    async def _fill(self) -> None:
        ballast = os.open(self.folder / "ballast", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                with contextlib.suppress(OSError):
                    while True:
                        os.write(ballast, b"\0" * 4096)
                await asyncio.sleep(0.05)
        finally:
            os.close(ballast)

    def make_room(self) -> None:
        """Undo that."""
        if self._filling is not None:
            self._filling.cancel()
        (self.folder / "ballast").unlink(missing_ok=True)

    async def close(self) -> None:
        """End it, and delete its files."""
        self.make_room()
        await self.kill()
        if self._mounted:
            await asyncio.to_thread(_do, "umount", "-l", str(self.folder))
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


def _do(*command: str) -> None:
    subprocess.run(command, check=True)


class Sqlite(Server):
    """A folder for SQLite files; whoever uses it names them."""

    def __init__(self, folder: Path, undertaker: Undertaker) -> None:
        super().__init__(folder, undertaker)
        self.url = str(folder)

    async def stick(self, seconds: float) -> None:
        """Hold every file's write lock, as a backup or a migration does."""
        files = [file for file in self.folder.iterdir() if file.is_file() and _is_sqlite(file)]
        await asyncio.to_thread(_hold, files, seconds)


def _is_sqlite(file: Path) -> bool:
    with open(file, "rb") as opened:
        return opened.read(15) == b"SQLite format 3"


def _hold(files: list[Path], seconds: float) -> None:
    end = time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        for file in files:
            connection = stack.enter_context(contextlib.closing(sqlite3.connect(file, isolation_level=None)))
            connection.execute("PRAGMA busy_timeout = 5000")
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("BEGIN EXCLUSIVE")
        time.sleep(max(0.0, end - time.monotonic()))


class _Daemon(Server):
    """A server process on a port of its own."""

    def __init__(self, folder: Path, undertaker: Undertaker) -> None:
        super().__init__(folder, undertaker)
        self.port = free_port()

    def command(self) -> list[str]:
        raise NotImplementedError

    async def start(self) -> None:
        if self.process is None:
            log = self.folder.with_name(f"{self.folder.name}.log")
            self.process = Process(type(self).__name__.lower(), self.command(), log, self._undertaker, folder=Path("/"))
        await self.process.start()
        end = time.monotonic() + ANSWERS_WITHIN
        while not await self.is_ready():
            if time.monotonic() > end:
                raise RuntimeError(f"{self.process.name} does not answer")
            await asyncio.sleep(0.05)

    async def is_ready(self) -> bool:
        return answers(self.port)

    async def kill(self) -> None:
        if self.process is not None:
            await self.process.kill()

    async def stick(self, seconds: float) -> None:
        assert self.process is not None
        self.process.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self.process.send(signal.SIGCONT)


class Redis(_Daemon):
    """Redis with an append-only file, synced every second: what its documentation advises for a queue."""

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--appendonly", "yes", "--save", "",
        ]  # fmt: skip

    async def empty(self) -> None:
        await self.kill()
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        await self.start()


@cache
def postgres_programs() -> Path:
    """The folder of PostgreSQL's server programs: Debian keeps it off the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    folders += [Path(found).resolve().parent] if found else []
    for folder in folders:
        if (folder / "initdb").exists():
            return folder
    raise RuntimeError("PostgreSQL's server programs are missing. On Debian: tools/apt.sh postgresql")


class Postgres(_Daemon):
    """PostgreSQL as it comes, full durability; a copy of one that was initialised once for the run."""

    template: Path

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"postgresql://{ACCOUNT}@127.0.0.1:{self.port}/postgres"

    @classmethod
    def initialise(cls, folder: Path) -> None:
        """Make the template, which all copies share."""
        cls.template = folder / "template"
        cls.template.mkdir()
        _own(folder)
        _own(cls.template)
        subprocess.run(
            [*_as_account(), str(postgres_programs() / "initdb"), "-D", str(cls.template), "-U", ACCOUNT, "-A", "trust",
             "-E", "UTF8", "--no-locale", "-N", "--wal-segsize=1"], cwd="/", check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def size(self) -> int:
        return sum(file.lstat().st_size for file in self.template.rglob("*") if file.is_file())

    def prepare(self) -> None:
        _own(self.folder)
        subprocess.run([*_as_account(), "cp", "-a", f"{self.template}/.", f"{self.folder}/data"], cwd="/", check=True)

    def command(self) -> list[str]:
        return [
            *_as_account(), str(postgres_programs() / "postgres"), "-D", f"{self.folder}/data", "-h", "127.0.0.1",
            "-p", str(self.port), "-k", str(self.folder), "-c", "shared_buffers=16MB", "-c", "max_connections=200",
            "-c", "max_wal_size=8MB", "-c", "min_wal_size=2MB",
        ]  # fmt: skip

    async def is_ready(self) -> bool:
        return answers(self.port) and await asyncio.to_thread(self._takes_queries)

    def _takes_queries(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(self.url, connect_timeout=3):
                return True
        except psycopg.Error:
            return False

    async def stick(self, seconds: float) -> None:
        """Freeze every session too: each is in a session of its own."""
        assert self.process is not None
        pids = self._pids()
        for pid in pids:
            self._undertaker.tell("+", pid)
        send(pids, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        send(pids, signal.SIGCONT)
        for pid in pids[1:]:
            self._undertaker.tell("-", pid)

    async def kill(self) -> None:
        pids = self._pids()
        await super().kill()
        send(pids, signal.SIGKILL)  # they end by themselves, but a restart waits for them

    def _pids(self) -> list[int]:
        """The postmaster, then its children."""
        leader = self.folder / "data" / "postmaster.pid"
        if not leader.exists():
            return []
        first = int(leader.read_text("ascii").split()[0])
        found = subprocess.run(["pgrep", "-P", str(first)], stdout=subprocess.PIPE, check=False).stdout.split()
        return [first, *map(int, found)]


def _as_account() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups"]


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        os.chown(folder, account.pw_uid, account.pw_gid)


KINDS = {"sqlite": Sqlite, "redis": Redis, "postgres": Postgres}


if __name__ == "__main__":  # for make, which installs what is missing
    postgres_programs()
    if shutil.which("redis-server") is None:
        raise SystemExit("redis-server is missing. On Debian: tools/apt.sh redis-server")
