"""The PostgreSQL server that is measured, and databases on it that live for one turn of one side.

It is the one of ``SETTLED_BENCH_POSTGRES`` (a URL whose role may create databases), else the one on this
machine's usual port. Nothing of its settings is touched: its durability is what is measured.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.speed.rounds import NotMeasured

VARIABLE = "SETTLED_BENCH_POSTGRES"
USUAL = "postgresql://postgres@127.0.0.1:5432/postgres"
SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size",
            "autovacuum", "shared_preload_libraries")  # fmt: skip
_numbers = itertools.count(1)


class Server(NamedTuple):
    """Where it is: host, port, role and password, as URLs and libpq want them."""

    host: str
    port: str
    user: str
    password: str

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        secret = f":{self.password}" if self.password else ""
        return f"postgresql://{self.user}{secret}@{self.host}:{self.port}/{database}"

    @property
    def variables(self) -> dict[str, str]:
        """What libpq's own programs read."""
        found = {"PGHOST": self.host, "PGPORT": self.port, "PGUSER": self.user}
        return {**found, "PGPASSWORD": self.password} if self.password else found


def find() -> Server:
    """Return the server, or raise ``NotMeasured`` with what is missing."""
    given = os.environ.get(VARIABLE, USUAL)
    try:
        with psycopg.connect(given, connect_timeout=5) as db:
            row = db.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    except psycopg.Error as error:
        place = given.rpartition("@")[2]  # without the password
        raise NotMeasured(
            f"no PostgreSQL at {place} ({str(error).strip().splitlines()[0]}). Start one there, or set {VARIABLE} "
            "to the URL of one, with a role that may create databases"
        ) from error
    if not row or not row[0]:
        raise NotMeasured(f"the role of {given.rpartition('@')[2]} may not create databases")
    known: dict[str, Any] = conninfo_to_dict(given)
    return Server(*(str(known.get(key) or usual) for key, usual in
                    (("host", "127.0.0.1"), ("port", "5432"), ("user", "postgres"), ("password", ""))))  # fmt: skip


@contextmanager
def database(server: Server) -> Iterator[str]:
    """The URL of a new database that is dropped afterwards; to drop the last one made the server write a checkpoint."""
    name = f"settled_bench_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
        try:
            yield server.url(name)
        finally:
            db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def facts(server: Server) -> str:
    """The settings that the figures depend on."""
    with psycopg.connect(server.url("postgres")) as db:
        found = [(name, db.execute("SELECT current_setting(%s, true)", (name,)).fetchone()) for name in SETTINGS]
    return ", ".join(f"{name} {row[0] or 'none' if row else '?'}" for name, row in found)


def pgbench(server: Server, url: str, script: Path, clients: int, seconds: float) -> float:
    """Transactions of the script a second, by ``clients`` of PostgreSQL's own bench program."""
    program = shutil.which("pgbench")
    if program is None:
        raise NotMeasured("pgbench is missing; it comes with PostgreSQL's client or contrib package")
    command = [program, "--no-vacuum", "--protocol=prepared", f"--file={script}", f"--client={clients}",
               f"--jobs={min(clients, 2)}", f"--time={max(1, round(seconds))}", url.rpartition("/")[2]]  # fmt: skip
    env = {**os.environ, **server.variables}
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, env=env)
    lines = [line for line in done.stdout.splitlines() if line.startswith("tps = ")]
    if done.returncode or not lines:
        raise NotMeasured(f"pgbench failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return float(lines[0].split()[2])
