"""Makes the disk slower for one process tree: a preloaded C shim that adds time to each fsync (Linux only)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).with_name("slow_fsync.c")
ADDED_US = 1_000


class NotPossible(Exception):
    """The shim cannot be used here; the text says why."""


def environment(folder: Path) -> dict[str, str]:
    """Compile the shim into ``folder``, prove that it works, and return the variables that switch it on."""
    if not sys.platform.startswith("linux"):
        raise NotPossible("the shim is preloaded with LD_PRELOAD, which works on Linux only")
    compiler = shutil.which("cc")
    if compiler is None:
        raise NotPossible("there is no C compiler here (cc); install one, for instance gcc")
    library = folder / "slow_fsync.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise NotPossible(f"cc could not build the shim: {done.stderr.strip()[:200]}")
    variables = {"LD_PRELOAD": str(library), "SLOW_FSYNC_US": str(ADDED_US)}
    took = _time_of_a_commit(folder, variables)
    if took < ADDED_US / 1e6:
        raise NotPossible(
            f"a commit took {took * 1e3:.2f} ms with the shim, so it has no effect on this Python's sqlite3"
        )
    return variables


_COMMITS = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL"); db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE IF NOT EXISTS t (x)"); db.execute("INSERT INTO t VALUES (0)")
start = time.perf_counter()
for x in range(20): db.execute("INSERT INTO t VALUES (?)", (x,))
print((time.perf_counter() - start) / 20)
"""


def _time_of_a_commit(folder: Path, variables: dict[str, str]) -> float:
    command = [sys.executable, "-c", _COMMITS, str(folder / f"shim-{time.monotonic_ns()}.db")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **variables}, check=True
    )
    return float(done.stdout)
