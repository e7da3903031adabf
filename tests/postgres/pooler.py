"""A PgBouncer of the test's own, which shares a server's sessions out by transaction."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.ports import free_port

STARTS_WITHIN = 15.0


def program() -> str | None:
    """PgBouncer's program, which Debian keeps off a user's PATH."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


class Pooler:
    """PgBouncer before one server, with few sessions for all."""

    def __init__(self, server: str, sessions: int = 2) -> None:
        found = program()
        assert found is not None, "pgbouncer is missing"
        known = conninfo_to_dict(server)
        self._folder = Path(tempfile.mkdtemp(prefix="settled-pooler-"))
        self._port = free_port()
        password = f"password={known['password']}" if "password" in known else ""
        (self._folder / "ini").write_text(
            f"""[databases]
* = host={known.get("host", "127.0.0.1")} port={known.get("port", 5432)} user={known["user"]} {password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self._port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
server_reset_query =
logfile =
"""
        )
        account: list[str] = []
        if os.geteuid() == 0:  # which it refuses
            user = pwd.getpwnam("nobody")
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            account = ["--user", "nobody"]
        self.url = f"postgresql://{known['user']}@127.0.0.1:{self._port}/{known['dbname']}"
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                [found, "-q", *account, str(self._folder / "ini")], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._until_it_answers()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(timeout=10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _until_it_answers(self) -> None:
        end = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=3).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.05)
