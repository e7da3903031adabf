"""To say where a thread is, its process is looked at from outside, and must not come to harm by it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading

import pytest

from settled.runner import where

GARBAGE = """
import gc, sys, threading
from settled.runner.where import line_in_thread

class Cycle:
    pass

over = threading.Event()
threads = [threading.Thread(target=over.wait, args=(60,), daemon=True) for _ in range(30)]
for thread in threads:
    thread.start()
gc.collect()
gc.disable()
cycle = Cycle()
cycle.itself, cycle.local = cycle, threading.local()  # whose end takes a lock of the interpreter's
del cycle
gc.set_threshold(gc.get_count()[0] + int(sys.argv[1]), 1000, 1000)
gc.enable()
line_in_thread(threads[0].ident)
print("looked", gc.isenabled())
"""


@pytest.mark.parametrize("allocations", [3, 10, 20])
def test_a_look_at_a_thread_does_not_hang_where_it_would_set_the_collector_off(allocations: int) -> None:
    looked = subprocess.run(
        [sys.executable, "-c", GARBAGE, str(allocations)], capture_output=True, text=True, timeout=60, check=True
    )
    assert looked.stdout == "looked True\n"


def test_a_line_of_a_thread_is_that_of_the_user_s_own_code() -> None:
    over, begun = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        over.wait(60)

    thread = threading.Thread(target=wait)
    thread.start()
    begun.wait(60)
    said = where.line_in_thread(thread.ident)
    over.set()
    thread.join()
    assert said.startswith("test_where.py:")
    assert said.endswith(" in wait")


def test_nothing_is_said_of_a_thread_that_is_not_there() -> None:
    assert where.line_in_thread(None) == ""
    assert where.line_in_thread(1) == ""


def test_a_child_that_is_forked_in_the_middle_of_a_look_can_look_and_collects_garbage() -> None:
    with where._look.guard:
        where._look.collects = True
        gc.disable()
        try:
            child = os.fork()
            if not child:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(30)  # one that hangs ends too
                looked = where.line_in_thread(threading.get_ident()) and gc.isenabled()
                os._exit(0 if looked else 1)
        finally:
            where._look.end()
    assert os.waitpid(child, 0)[1] == 0
    assert gc.isenabled()
