"""The table of what goes wrong: the culprit inside the task, the plot outside of it, and which endings are true."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.zombies import culprits, plots

COMPLETED, FAILED, REFUSED, UNKNOWN = "completed", "failed", "refused", "unknown"


@dataclass(frozen=True)
class Fault:
    """One fault; ``truths`` are the endings that a page may be told without being lied to.

    says    words of which one must be in the reason; none: any reason will do that is not empty
    result  what a completed task must have as its result, as JSON
    needs   "store" or "broker": a server that can be harmed; "disk": a disk that can be filled up
    solo    it keeps a processor busy, so few run at once
    """

    name: str
    title: str
    what: str
    truths: tuple[str, ...] = (FAILED,)
    culprit: str = ""
    plot: plots.Plot = plots.nothing
    says: tuple[str, ...] = ()
    result: Any = culprits.DONE
    needs: str = ""
    solo: bool = False
    group: str = ""

    @property
    def inside(self) -> str:
        return self.culprit or self.name

    @property
    def clean(self) -> bool:
        """Whether an instance that has borne it may be used again, if its control task completes."""
        return self.group in ("Exceptions", "Results")


EXCEPTIONS = (
    Fault("exception", "An ordinary exception", "RuntimeError with a message.", says=("printer",)),
    Fault("exception-empty-message", "An exception without a message", "RuntimeError with none."),
    Fault("exception-with-cause", "An exception with a cause", "Raised from another one.", says=("address",)),
    Fault("exception-group", "A group of exceptions", "Two parts fail at once.", says=("two of three",)),
    Fault("exception-str-raises", "An exception that cannot be printed", "Its str() and repr() raise."),
    Fault("exception-required-arguments", "An exception that cannot be unpickled",
          "Its constructor has required arguments.", says=("valve",)),
    Fault("exception-10mb", "An exception with 10 MB of text", "More than anybody reads.", says=("too much",)),
    Fault("exception-nul-and-surrogates", "A message that cannot be stored", "NUL bytes and lone surrogates.",
          says=("snowman", "NUL")),
    Fault("system-exit", "sys.exit()", "Not an Exception."),
    Fault("keyboard-interrupt", "KeyboardInterrupt", "Not an Exception either."),
    Fault("cancelled-error", "CancelledError out of nowhere", "Nobody had asked for it."),
    Fault("memory-error", "MemoryError", "One allocation too many, refused."),
    Fault("recursion-error", "Endless recursion", "RecursionError."),
)  # fmt: skip

DIES = (FAILED, REFUSED)
"""A server that dies of its task may take the answer to the submit along: then the page is told at once."""

DEATHS = (
    Fault("os-exit", "os._exit()", "The process that runs the task ends at once. What ends is started again.",
          DIES),
    Fault("segfault", "A segmentation fault", "Likewise, by a signal.", DIES),
    Fault("sigkill-self", "SIGKILL from inside", "Likewise; no handler can run.", DIES),
    Fault("memory-limit", "Killed for its memory", "It hoards 200 MB and is killed, as by the kernel.", DIES),
    Fault("poison-task", "A poison task", "It kills its whole worker, each time that it is run.", DIES),
    Fault("child-left-behind", "A child process left behind", "The task returns; its child lives on.", (COMPLETED,)),
)  # fmt: skip

HANGS = (
    Fault("async-hang", "An await that never returns", "It waits for an event that nobody sets."),
    Fault("async-hang-stubborn", "A coroutine that refuses to be cancelled", "It catches CancelledError, waits on."),
    Fault("sync-hang", "A blocking call that never returns", "On an event loop it blocks the loop."),
    Fault("busy-loop", "A busy loop", "Pure Python, for ever.", solo=True),
    Fault("busy-loop-gil", "A busy loop in C", "It never releases the interpreter lock.", solo=True),
    Fault("late-result", "A result after the time limit", "It heeds no exception and returns after 16 s.",
          (COMPLETED, FAILED)),
)  # fmt: skip

RESULTS = (
    Fault("result-unserialisable", "A result without a JSON form", "A lock.", result=None),
    Fault("result-cyclic", "A result that contains itself", "A list in itself.", result=None),
    Fault("result-nan", "A result that is not a number", "NaN is no JSON.", (COMPLETED, FAILED),
          result={"average": math.nan}),
    Fault("result-bytes", "A result in bytes", "No text in any encoding.", (FAILED,), result=None),
    Fault("result-surrogates", "A result with a lone surrogate and a NUL", "Half of an emoji.", (COMPLETED, FAILED),
          result=culprits.result_surrogates()),
    Fault("result-50mb", "A result of 50 MB", "One string.", (COMPLETED, FAILED), result=50_000_000),
)  # fmt: skip

WORKERS = (
    Fault("worker-killed", "The workers are killed", "kill -9 in the middle of the task; nobody restarts them.",
          (FAILED,), "work", plots.workers_killed),
    Fault("worker-killed-and-restarted", "Killed and restarted", "The workers are back a second later.",
          (COMPLETED, FAILED), "work", plots.workers_killed_and_restarted),
    Fault("worker-killed-twice", "Killed and restarted, twice", "The second time 3 s after they are back.",
          (COMPLETED, FAILED), "work", plots.workers_killed_twice),
    Fault("all-killed-and-restarted", "The machine dies and comes back", "Web, workers, store and broker at once.",
          (COMPLETED, FAILED), "work", plots.all_killed_and_restarted),
    Fault("worker-frozen", "The workers freeze, then thaw", "SIGSTOP for 40 s in the middle of a task.",
          (COMPLETED, FAILED), "work", plots.workers_frozen),
    Fault("worker-terminated", "A deploy", "SIGTERM to the workers, SIGKILL 3 s later, then new ones.",
          (COMPLETED, FAILED), "work", plots.deployed),
    Fault("submitted-while-nothing-runs", "Submitted while no worker runs", "None is ever started.",
          (FAILED, REFUSED), "work", plots.nobody_comes),
    Fault("unknown-task-name", "A task that no worker knows", "A deploy has removed its code from the workers.",
          (FAILED, REFUSED), "control"),
)  # fmt: skip

STORES = (
    Fault("store-away-at-submit", "The store is away at submit", "For 10 s.", (COMPLETED, FAILED, REFUSED), "control",
          plots.store_away_at_submit, needs="store"),
    Fault("store-restarted", "The store is restarted", "Killed in the middle of the task, back a second later.",
          (COMPLETED, FAILED), "work", plots.store_restarted, needs="store"),
    Fault("store-away-at-the-end", "The store is away at the end", "Killed in the middle, back 15 s later.",
          (COMPLETED, FAILED), "work", plots.store_away_at_the_end, needs="store"),
    Fault("store-stuck", "The store is stuck", "Frozen, or a SQLite file locked, for 15 s while the task ends.",
          (COMPLETED, FAILED), "work", plots.store_stuck),
    Fault("broker-away-at-submit", "The broker is away at submit", "For 10 s.", (COMPLETED, FAILED, REFUSED),
          "control", plots.broker_away_at_submit, needs="broker"),
    Fault("broker-restarted", "The broker is restarted", "Killed in the middle of the task, back a second later.",
          (COMPLETED, FAILED), "work", plots.broker_restarted, needs="broker"),
    Fault("broker-emptied", "The broker loses everything", "While no worker runs; then the workers start.",
          (COMPLETED, FAILED), "control", plots.broker_emptied, needs="broker"),
    Fault("disk-full", "The disk is full for a while", "For 8 s while the task ends.",
          (COMPLETED, FAILED), "large-work", plots.disk_full_for_a_while, result=culprits.LARGE, needs="disk"),
    Fault("disk-full-for-good", "The disk stays full", "From the middle of the task on.",
          (COMPLETED, FAILED), "large-work", plots.disk_full_for_good, result=culprits.LARGE, needs="disk"),
    Fault("unknown-id", "A task that never was", "The page asks for an id that nobody has submitted.", (UNKNOWN,),
          "control", plots.never_submitted),
)  # fmt: skip

TABLE = {
    "Exceptions": EXCEPTIONS,
    "Sudden deaths": DEATHS,
    "Hangs": HANGS,
    "Results": RESULTS,
    "Workers": WORKERS,
    "Store and broker": STORES,
}

FAULTS: Mapping[str, Fault] = {
    fault.name: Fault(**{**vars(fault), "group": group}) for group, faults in TABLE.items() for fault in faults
}
