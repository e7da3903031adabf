"""A PostgreSQL server of the test's own, to be crashed, frozen, filled, copied and promoted."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.ports import free_port

LOOPBACK = "127.0.0.1"
ACCOUNT = "postgres"
"""Whom a server runs as if the test runs as root, whom PostgreSQL refuses."""
SETTINGS = {
    "autovacuum": "off",  # the tests are shorter than its pauses
    "max_connections": "400",
    "shared_buffers": "32MB",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
}
STARTS_WITHIN = 30.0


def programs() -> Path | None:
    """The folder of the server's programs: Debian keeps it off the PATH. None if there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class Server:
    """One server on a port of its own; full durability, as by default."""

    def __init__(self, host: str = LOOPBACK, inside: Sequence[str] = ()) -> None:
        found = programs()
        assert found is not None, "PostgreSQL's server programs are missing"
        self._programs = found
        self._folder = Path(tempfile.mkdtemp(prefix="settled-pg-"))
        self._data = self._folder / "data"
        self.host = host
        self.port = free_port() if host == LOOPBACK else 5432
        self._inside = inside
        self._account = pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
            self._folder.chmod(0o755)

    @property
    def folder(self) -> Path:
        """Where its data is; deleted with it."""
        return self._folder

    # -- life

    def make(self, **settings: str) -> Server:
        """Initialise and start it."""
        self._run("initdb", "-D", str(self._data), "-U", ACCOUNT, "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        self._configure({**SETTINGS, **settings})
        with open(self._data / "pg_hba.conf", "a", encoding="utf-8") as file:
            file.write("host all,replication all samenet trust\n")
        self.start()
        return self

    def start(self) -> None:
        """Start it; return when it answers."""
        options = f"-h {self.host} -p {self.port} -k {self._folder}"
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-l", str(self._folder / "log"), "-W", "start")
        end = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                with closing(psycopg.connect(self.conninfo(), connect_timeout=5)):
                    return
            except psycopg.Error:
                assert time.monotonic() < end, f"the server does not start:\n{self.log()}"
                time.sleep(0.02)

    def crash(self) -> None:
        """End it at once, as a power cut does: no session is ended in order, the log is replayed at the next start."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def ensure(self) -> None:
        """Start it if a test has left it down."""
        try:
            self.sql("SELECT 1")
        except psycopg.Error:
            self.restart()

    def restart(self) -> None:
        """Crash and start."""
        self.crash()
        self.start()

    def freeze(self) -> None:
        """Stop every process of it, as a hypervisor does; connections stay, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def standby(self, **settings: str) -> Server:
        """Copy it; the copy follows by streaming replication until it is promoted."""
        copy = Server(self.host, self._inside)
        self._run(
            "pg_basebackup", "-h", str(self._folder), "-p", str(self.port), "-U", ACCOUNT, "-D", str(copy._data),
            "-R", "-X", "stream", "-c", "fast",
        )  # fmt: skip
        copy._configure(settings)
        copy.start()
        return copy

    def promote(self) -> None:
        """Make a standby the one that can be written."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "30", "promote")

    def close(self) -> None:
        """End it if it runs, and delete it."""
        if (self._data / "postmaster.pid").exists():
            self.thaw()
            self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- using it

    def conninfo(self) -> str:
        """For the test itself: by way of a socket on the disk, which no network can cut."""
        return f"host={self._folder} port={self.port} user={ACCOUNT} dbname=postgres"

    def url(self, port: int | None = None) -> str:
        """For what is tested: over the network, at another port by way of a proxy.

        That of a machine with an address of its own means something only inside that network: see ``network``.
        """
        return f"postgresql://{ACCOUNT}@{self.host}:{port or self.port}/postgres"

    @property
    def local_url(self) -> str:
        """For what is tested on this machine: by way of the socket where the server is on one of its own."""
        if self.host == LOOPBACK:
            return self.url()
        return f"postgresql://{ACCOUNT}@/postgres?host={quote(str(self._folder), safe='')}&port={self.port}"

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement, committed at once."""
        with closing(psycopg.connect(self.conninfo(), autocommit=True, connect_timeout=5)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def log(self) -> str:
        """What it has written on its log."""
        return (self._folder / "log").read_text("utf-8", "replace")[-4000:]

    # -- the inside

    def _configure(self, settings: dict[str, str]) -> None:
        with open(self._data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        as_account = ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups"] if self._account else []
        answer = subprocess.run(
            [*self._inside, *as_account, str(self._programs / program), *arguments], cwd="/", timeout=60, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert not check or answer.returncode == 0, f"{program}: {answer.stdout.decode('utf-8', 'replace')}"

    def _signal(self, number: signal.Signals) -> None:
        leader = int((self._data / "postmaster.pid").read_text("ascii").split()[0])
        for pid in [leader, *children(leader)]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # a session has just ended


def children(pid: int) -> Sequence[int]:
    """The processes that a process has started and that live."""
    answer = subprocess.run(["pgrep", "-P", str(pid)], stdout=subprocess.PIPE, timeout=10, check=False)
    return [int(child) for child in answer.stdout.split()]
