"""As a script ends, its tasks drain while all that they need is still there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from settled import Status, Tasks

SCRIPT = """
import asyncio, concurrent.futures, sys, threading
from settled import Tasks

tasks = Tasks(sys.argv[1])

@tasks.task(timeout=30)
async def resolves():
    await asyncio.sleep(0.3)
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    return await asyncio.to_thread(threading.get_ident) != threading.get_ident()

if "pool" in sys.argv:
    pool = concurrent.futures.ThreadPoolExecutor()
    pool.submit(print, "pool")
tasks.submit("resolves")
"""
THREADS = """
import concurrent.futures, threading
from settled import at_end

called, over = [], threading.Event()
at_end.register(lambda: called.append(True))
thread = threading.Thread(target=over.wait, args=(30,))
thread.start()
at_end._early()
assert not called, "a thread that the interpreter waits for goes on"
over.set()
thread.join()
with concurrent.futures.ThreadPoolExecutor() as pool:
    pool.submit(int).result()
    at_end._early()
assert called, "a pool's thread was waited for"
"""


def run(path: Path, *how: str) -> list[Status]:
    url = f"sqlite:///{path}/tasks.db"
    subprocess.run([sys.executable, "-c", SCRIPT, url, *how], check=True, timeout=60)
    tasks = Tasks(url, embedded=False)
    try:
        return [row.status for row in tasks.ledger.list()]
    finally:
        tasks.stop()


@pytest.mark.parametrize("how", [(), ("pool",)], ids=["alone", "with a pool"])
def test_a_task_that_drains_as_its_script_ends_has_threads_and_names_are_resolved(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    assert run(tmp_path, *how) == [Status.COMPLETED]


def test_nothing_is_stopped_while_the_interpreter_waits_for_a_thread_that_is_no_pool_s() -> None:
    subprocess.run([sys.executable, "-c", THREADS], check=True, timeout=60)
