"""The table of everything that can go wrong: the buttons, ``GET /demo/faults`` and the tests are made from it.

One fault has no button: a jump of the system clock. It cannot be set for one process alone, and a
demo must not set it for the whole machine; the tests of the ledger move a clock of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from settled import Reason
from settled.demo import culprits, plots
from settled.demo.fault import Fault
from settled.demo.kind import (
    DEADLY,
    IN_A_PROCESS,
    IN_A_THREAD,
    NOWHERE,
    ON_THE_LOOP,
    SCRATCH,
    WORKER_LOOP,
    WORKER_THREAD,
    Kind,
    named,
)  # fmt: skip

EXCEPTIONS = (
    Kind("exception", "An ordinary exception", "RuntimeError, raised by the task function.",
         culprits.exception, Reason.EXCEPTION),
    Kind("exception-empty-message", "An exception without a message",
         "There is nothing to show, so its type is named.",
         culprits.exception_empty_message, Reason.EXCEPTION),
    Kind("exception-with-cause", "An exception with a cause",
         "Raised from another one, which says what really happened.",
         culprits.exception_with_cause, Reason.EXCEPTION),
    Kind("exception-group", "A group of exceptions", "Several parts fail at once.",
         culprits.exception_group, Reason.EXCEPTION),
    Kind("exception-str-raises", "An exception that cannot be printed", "Its str() and repr() raise exceptions, too.",
         culprits.exception_str_raises, Reason.EXCEPTION),
    Kind("exception-required-arguments", "An exception that cannot be unpickled",
         "Its constructor has required arguments: process pools lose such a task for ever.",
         culprits.exception_required_arguments, Reason.EXCEPTION),
    Kind("exception-10mb", "An exception with 10 MB of text",
         "Far more than anybody will read, or any column should hold.",
         culprits.exception_10mb, Reason.EXCEPTION),
    Kind("exception-nul-and-surrogates", "A message that cannot be stored",
         "NUL bytes and lone surrogates: the write of the failure would fail itself.",
         culprits.exception_nul_and_surrogates, Reason.EXCEPTION),
    Kind("system-exit", "sys.exit()", "Not an Exception, so «except Exception» never sees it.",
         culprits.system_exit, Reason.EXCEPTION),
    Kind("keyboard-interrupt", "KeyboardInterrupt", "Likewise; on an event loop it usually stops the server.",
         culprits.keyboard_interrupt, Reason.EXCEPTION),
    Kind("cancelled-error", "CancelledError out of nowhere",
         "The task says that it was cancelled, though nobody asked.",
         culprits.cancelled_error, Reason.EXCEPTION),
    Kind("memory-error", "MemoryError", "One allocation too many, refused.",
         culprits.memory_error, Reason.EXCEPTION),
    Kind("recursion-error", "Endless recursion", "RecursionError, with little stack left to handle it.",
         culprits.recursion_error, Reason.EXCEPTION),
)  # fmt: skip

DEATHS = (
    Kind("os-exit", "os._exit()", "The process ends at once, with nothing run on the way out.",
         culprits.os_exit, Reason.WORKER_LOST, DEADLY),
    Kind("segfault", "A segmentation fault", "A native library reads where nothing is.",
         culprits.segfault, Reason.WORKER_LOST, DEADLY),
    Kind("sigkill-self", "SIGKILL from inside", "The process kills itself; no handler can run.",
         culprits.sigkill_self, Reason.WORKER_LOST, DEADLY),
    Kind("sigkill-outside", "SIGKILL from outside",
         "Another program kills it, as an administrator or the OOM killer would.",
         culprits.sigkill_outside, Reason.WORKER_LOST, DEADLY, takes=0.5),
    Kind("memory-limit", "More memory than allowed", "It hoards memory until it hits its limit of 200 MB.",
         culprits.memory_limit, Reason.WORKER_LOST, (IN_A_PROCESS,), takes=1.0, limits={"memory_limit": 200_000_000}),
    Kind("child-left-behind", "A child process left behind",
         "The function returns, its child lives on and holds its pipes.",
         culprits.child_left_behind, None, DEADLY),
)  # fmt: skip

HANG = {"timeout": 2.0}

HANGS = (
    Kind("async-hang", "An await that never returns", "It waits for an event that nobody will ever set.",
         culprits.async_hang, Reason.TIMEOUT, (ON_THE_LOOP, IN_A_PROCESS), takes=2.0, limits=HANG),
    Kind("async-hang-stubborn", "A coroutine that refuses to be cancelled", "It catches CancelledError and waits on.",
         culprits.async_hang_stubborn, Reason.TIMEOUT, (WORKER_LOOP,), takes=2.0, limits=HANG),
    Kind("sync-hang", "A blocking call that never returns", "On an event loop, it holds up every other task as well.",
         culprits.sync_hang, Reason.TIMEOUT, DEADLY, takes=2.0, limits=HANG),
    Kind("busy-loop", "A busy loop", "Pure Python, at full speed, for ever.",
         culprits.busy_loop, Reason.TIMEOUT, DEADLY, takes=2.0, limits=HANG),
    Kind("busy-loop-gil", "A busy loop in C",
         "It never releases the interpreter lock: nothing in its process can run, or stop it.",
         culprits.busy_loop_gil, Reason.TIMEOUT, (IN_A_PROCESS,), takes=2.0, limits=HANG),
    Kind("busy-loop-gil", "A busy loop in C", "Its worker cannot even send its heartbeat, and is given up on.",
         culprits.busy_loop_gil, Reason.WORKER_LOST, (WORKER_THREAD, WORKER_LOOP), takes=5.0,
         limits={"timeout": 20.0}),
    Kind("late-result", "A result after the timeout",
         "The time is up, the verdict stands, and then a result comes in: refused.",
         culprits.late_result, Reason.TIMEOUT, (IN_A_THREAD,), takes=1.5, limits={"timeout": 1.5}),
    Kind("late-result", "A result after the timeout", "It ignores its cancellation and delivers all the same.",
         culprits.late_result_async, Reason.TIMEOUT, (ON_THE_LOOP,), takes=1.5, limits={"timeout": 1.5}),
)  # fmt: skip

RESULTS = (
    Kind("result-unserialisable", "A result without a JSON form", "A lock.",
         culprits.result_unserialisable, Reason.RESULT_REJECTED),
    Kind("result-cyclic", "A result that contains itself", "A list whose only item is that list.",
         culprits.result_cyclic, Reason.RESULT_REJECTED),
    Kind("result-nan", "A result that is not a number", "NaN is no JSON: a stored NaN breaks every poll.",
         culprits.result_nan, Reason.RESULT_REJECTED),
    Kind("result-bytes", "A result in bytes", "They have no obvious JSON form.",
         culprits.result_bytes, Reason.RESULT_REJECTED),
    Kind("result-50mb", "A result of 50 MB", "Too much for a row, and for every poll that would carry it.",
         culprits.result_50mb, Reason.RESULT_REJECTED, takes=1.0),
    Kind("result-datetime", "A datetime", "It has an obvious form, so it is accepted.",
         culprits.result_datetime, None),
    Kind("result-set", "A set", "Accepted, as a list.",
         culprits.result_set, None),
    Kind("result-dataclass", "A dataclass", "Accepted, as an object.",
         culprits.result_dataclass, None),
    Kind("result-pydantic", "A pydantic model", "Accepted, as an object.",
         culprits.result_pydantic, None, takes=1.0),
)  # fmt: skip

LONG = {"timeout": 20.0}

WORKERS = (
    Kind("worker-killed", "The worker is killed", "kill -9 in the middle of a task, and nobody restarts it.",
         culprits.long_work, Reason.WORKER_LOST, (WORKER_LOOP,), limits=LONG, plot=plots.killed),
    Kind("worker-killed-while-many-run", "The worker is killed while many run",
         "Twelve tasks at once; this row follows the first.",
         culprits.long_work, Reason.WORKER_LOST, (WORKER_LOOP,), limits=LONG, plot=plots.killed, copies=12),
    Kind("worker-killed-and-restarted", "Killed and restarted",
         "The task may be tried twice, and the second worker completes it.",
         culprits.done_at_the_second_attempt, None, (WORKER_LOOP,), takes=2.0, limits={**LONG, "attempts": 2},
         plot=plots.killed_and_restarted),
    Kind("worker-killed-twice", "Killed and restarted, twice in a row",
         "It may be tried three times, and needs them all.",
         culprits.done_at_the_third_attempt, None, (WORKER_LOOP,), takes=5.0, limits={**LONG, "attempts": 3},
         plot=plots.killed_twice),
    Kind("poison-task", "A poison task",
         "It kills its worker at each of its three attempts; the worker is restarted every time.",
         culprits.sigkill_self, Reason.WORKER_LOST, (WORKER_THREAD,), takes=5.0, limits={"attempts": 3},
         plot=plots.restarted_for_ever),
    Kind("worker-frozen", "The worker freezes, then thaws",
         "SIGSTOP for longer than its lease, then SIGCONT: nothing flips.",
         culprits.short_work, Reason.WORKER_LOST, (WORKER_LOOP,), takes=5.0, limits=LONG, plot=plots.frozen),
    Kind("worker-terminated", "The worker is told to end",
         "SIGTERM, as in a deploy; the task outlasts the worker's grace of 1 s.",
         culprits.long_work, Reason.INTERRUPTED, (WORKER_LOOP,), takes=1.5, limits=LONG, plot=plots.terminated),
    Kind("submitted-while-nothing-runs", "Submitted while nothing runs",
         "Its worker is never started; the task may wait for two seconds.",
         culprits.long_work, Reason.NEVER_STARTED, (WORKER_LOOP,), takes=2.0, limits={"start_timeout": 2.0},
         plot=plots.nobody_comes),
    Kind("unknown-task-name", "A task that no code knows any more",
         "A worker runs, but a deploy has removed this task function.",
         culprits.long_work, Reason.NEVER_STARTED, (WORKER_LOOP,), takes=2.0, limits={"start_timeout": 2.0},
         plot=plots.nobody_comes),
)  # fmt: skip

LEDGERS = (
    Kind("ledger-locked", "The database is locked",
         "Another program holds its lock for 15 s while the task ends; the result is kept until then.",
         culprits.short_work, None, (SCRATCH,), takes=16.0, limits={"timeout": 30.0}, plot=plots.database_locked),
    Kind("disk-full", "The disk is full for a while",
         "There is no room for the result when the task ends, and four seconds later there is.",
         culprits.long_result, None, (SCRATCH,), takes=5.0, limits={"timeout": 30.0}, plot=plots.disk_full_for_a_while),
    Kind("disk-full-for-good", "The disk stays full",
         "The result can never be stored, and the task settles on time all the same.",
         culprits.long_result, Reason.TIMEOUT, (SCRATCH,), takes=5.0, limits={"start_timeout": 1.0, "timeout": 3.0},
         plot=plots.disk_full),
    Kind("file-deleted", "The database file is deleted",
         "While the task runs: its end can be written nowhere, and the task settles at its bound all the same.",
         culprits.short_work, Reason.TIMEOUT, (SCRATCH,), takes=7.0, limits={"start_timeout": 1.0, "timeout": 3.0},
         plot=plots.file_deleted),
    Kind("clock-set", "The clock is set",
         "The time of day, as the ledger reads it, jumps an hour ahead and then to an hour behind; no deadline moves.",
         culprits.async_hang, Reason.TIMEOUT, (SCRATCH,), takes=2.0, limits=HANG, plot=plots.clock_set),
    Kind("unknown-id", "A task that never was",
         "The address of a task that nobody has submitted: 404, and whoever waits stops.",
         culprits.nothing, None, (NOWHERE,), ending="unknown"),
)  # fmt: skip

TABLE = {
    "Exceptions": EXCEPTIONS,
    "Sudden deaths": DEATHS,
    "Hangs": HANGS,
    "Results": RESULTS,
    "Workers": WORKERS,
    "The ledger": LEDGERS,
}

FAULTS: Mapping[str, Fault] = named(TABLE)
