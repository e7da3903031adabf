"""What is done when the interpreter is about to end: while threads can still be started, if nobody else's go on.

``atexit`` comes too late for tasks that drain as a script ends. The pools of ``concurrent.futures`` have been shut by
then, those that ``asyncio.to_thread`` and a look-up of a host's name take among them; from Python 3.12 on no thread
can be started at all. Before that come the calls that ``threading`` makes as the main thread ends, in a way that is
its own (CPython, ``threading._register_atexit``); where it is not there, ``atexit`` it is.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # it ends its threads by such a call too, which must come after ours
import logging
import sys
import threading
from collections.abc import Callable, Container
from contextlib import suppress
from typing import Any

log = logging.getLogger("settled")
_calls: dict[Callable[[], None], None] = {}


def register(call: Callable[[], None]) -> None:
    """Have it called, once; the newest first."""
    _calls.pop(call, None)
    _calls[call] = None


def unregister(call: Callable[[], None]) -> None:
    """Have it called no more."""
    _calls.pop(call, None)


def _early() -> None:
    """As the main thread ends; not where the interpreter waits for a thread, which may go on to submit."""
    if not any(_is_waited_for(thread) for thread in threading.enumerate()):
        _call_all()


def _call_all() -> None:
    while _calls:
        call, _ = _calls.popitem()
        try:
            call()
        except Exception:
            log.exception("The end of a ledger failed as the interpreter ended")


def _is_waited_for(thread: threading.Thread) -> bool:
    if thread.daemon or thread is threading.main_thread() or thread is threading.current_thread():
        return False
    processes = sys.modules.get("concurrent.futures.process")
    pools: tuple[Container[Any], ...] = (
        getattr(concurrent.futures.thread, "_threads_queues", ()), getattr(processes, "_threads_wakeups", ()),
    )  # fmt: skip
    return not any(thread in pool for pool in pools)


atexit.register(_call_all)
with suppress(AttributeError, RuntimeError):
    threading._register_atexit(_early)  # type: ignore[attr-defined]
