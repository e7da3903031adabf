"""A process that forks while its threads are inside SQLite: the child goes on and ends, and its parent does too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from settled.stores.sqlite import SQLiteStore

FORKS = """
import os, signal, sqlite3, sys, threading
from pathlib import Path
from settled.stores.sqlite import SQLiteStore

store = SQLiteStore(Path(sys.argv[1]))
store.open()
stop = threading.Event()

def reads():
    store.read(["01a21777-9c6b-7955-9213-9dd7daac3fab"])  # now it has a connection of its own
    mine = sqlite3.connect(":memory:", cached_statements=0)
    while not stop.is_set():
        mine.execute("SELECT " + "1 + " * 100 + "1").fetchall()  # SQLite asks for memory, under a lock

threads = [threading.Thread(target=reads) for _ in range(4)]
for thread in threads:
    thread.start()
hung = 0
for _ in range(40):
    child = os.fork()
    if child == 0:
        END
    ended = threading.Timer(20, os.kill, (child, signal.SIGKILL))
    ended.start()
    hung += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    ended.cancel()
    if hung:
        break
stop.set()
for thread in threads:
    thread.join()
store.read(["01a21777-9c6b-7955-9213-9dd7daac3fab"])
store.close()
sys.exit(hung)
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"], ids=["at once", "with all that Python does at the end"])
def test_a_child_that_was_forked_while_threads_read_does_not_wait_for_them(tmp_path: Path, end: str) -> None:
    SQLiteStore(tmp_path / "tasks.db").open()
    script = FORKS.replace("END", end)
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "tasks.db")],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert run.returncode == 0, run.stderr
