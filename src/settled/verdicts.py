"""What an overdue row means: a pure function of the row, its worker and the ledger's clock."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from settled.policy import pause_ms, reserve_ms
from settled.records import REDELIVERED, Snapshot, Verdict, WorkerRow
from settled.states import RETRYABLE, Reason, Status

_SILENT = re.compile(r"\(last heard ([\d.]{1,12}) s before\)")


def of_attempt(
    row: Snapshot, reason: Reason, message: str, *, error_type: str | None = None, traceback: str | None = None,
    retry: bool = True, expiry: bool = False, retry_after_ms: int | None = None, over_at: int = 0,
) -> Verdict:  # fmt: skip
    """The verdict on a failed attempt: another one if the reason and the remaining time allow it, else the end.

    ``over_at`` is the instant by which the attempt has really ended, if that may be in the future.
    """
    due_at = max(row.as_of, over_at) + max(pause_ms(max(row.attempt, 1), row.backoff_ms), retry_after_ms or 0)
    start_by = row.settles_at - reserve_ms(row.attempt, row.max_attempts, row.timeout_ms, row.lease_ms, row.backoff_ms)
    again = (
        retry and _may_be_mended(row, reason) and row.status is Status.RUNNING and row.attempt < row.max_attempts
        and row.as_of < row.settles_at and due_at < start_by
    )  # fmt: skip
    if again:
        return Verdict(
            row.id, row.attempt, Status.PENDING, None, None, f"{reason}: {message}", error_type, traceback, row.status,
            due_at, start_by, expiry, row,
        )  # fmt: skip
    return Verdict(
        row.id,
        row.attempt,
        Status.FAILED,
        None,
        reason,
        message,
        error_type,
        traceback,
        row.status,
        expiry=expiry,
        row=row,
        retry_after_ms=retry_after_ms,
    )


def of_expiry(row: Snapshot, workers: Sequence[WorkerRow]) -> Verdict:
    """The verdict on a row that is past its deadline, or whose worker is lost.

    From the bound on its reason follows from the row and the clock alone, so that a reader who cannot write
    it down says what everybody says, whatever becomes of the worker meanwhile.
    """
    if row.status is Status.PENDING:
        return of_attempt(row, Reason.NEVER_STARTED, _never_started(row, workers), expiry=True)
    if row.settles_at <= row.as_of:
        return of_attempt(row, Reason.TIMEOUT, _no_outcome(row), expiry=True)
    worker = next((worker for worker in workers if worker.id == row.worker), None)
    if worker is None or worker.lost_at is not None:
        return of_attempt(
            row, Reason.WORKER_LOST, _worker_lost(row, worker), expiry=True, over_at=_over_at(row, worker)
        )
    return of_attempt(row, Reason.TIMEOUT, _no_outcome(row), expiry=True)


def _over_at(row: Snapshot, worker: WorkerRow | None) -> int:
    """When a lost worker has ended the attempt's process, if it has one.

    A lock on a server goes with its session too, which may break while the worker lives and cannot come back.
    """
    if worker is None or worker.processes is None:
        return 0
    # What it was not said to run when it enlisted, it has learned since: nobody knows how it runs that.
    apart = row.name in json.loads(worker.processes) or not worker.knows(row.name)
    return worker.heard_at + worker.lease_ms if apart else 0


def _may_be_mended(row: Snapshot, reason: Reason) -> bool:
    if not row.adopted:
        return reason in RETRYABLE
    return reason is Reason.WORKER_LOST and str(row.key).startswith(REDELIVERED)


def applied(row: Snapshot, verdict: Verdict) -> Snapshot:
    """The row as it will read once the verdict of its expiry is written; for a reader that cannot write."""
    return row._replace(
        status=verdict.status, reason=verdict.reason, error_message=verdict.error_message, finished_at=row.settles_at
    )


def final(verdict: Verdict, now: int) -> Snapshot | None:
    """The snapshot that a terminal verdict leaves once it is written; None for another attempt."""
    row = verdict.row
    if row is None or verdict.status is Status.PENDING:
        return None
    return Snapshot(  # by position, for this is done at each task's end: ``_replace`` takes four times as long
        row.id, row.name, verdict.status, verdict.result_data, verdict.error_message, verdict.reason,
        verdict.error_type, verdict.traceback, *row[8:20], now, *row[21:-1], now,
    )  # fmt: skip


def timeout_message(row: Snapshot, detail: str = "") -> str:
    """What to say of an attempt that ran out of time."""
    limit = _seconds(row.timeout_ms)
    said = f"Attempt {row.attempt} of {row.max_attempts} ran longer than its timeout of {limit}"
    return (
        f"{said}{': ' + detail if detail else ''}. Give the task function a longer timeout, or find what it waited for."
    )


def _no_outcome(row: Snapshot) -> str:
    """What others can say of an attempt whose runner said nothing in time."""
    return (
        f"Attempt {row.attempt} of {row.max_attempts} left no outcome in its timeout of {_seconds(row.timeout_ms)}: "
        "it ran longer, its worker died, or its outcome could not be written. Give it more time, or find what held it."
    )


def _never_started(row: Snapshot, workers: Sequence[WorkerRow]) -> str:
    alive = [worker for worker in workers if worker.alive and worker.names != "[]"]  # others only answer
    knowing = [worker for worker in alive if worker.knows(row.name)]
    if knowing and row.lane is not None:
        who = f"its lane {row.lane!r} had no room ({_limits(row)}); raise the limit, or start_timeout"
    elif knowing:
        able = f"{_count(knowing)} alive that can run it{_brought(knowing)}"
        who = f"{able}, with no place free; start more, or raise start_timeout"
    elif alive:
        who = f"{_count(alive)} alive, but none knows a task function named {row.name!r}; deploy the code that has it"
    else:
        who = "no worker is alive; start one"
    before = f" Attempt {row.attempt} before it ended with {row.previous_error}" if row.attempt else ""
    return f"Nobody picked attempt {row.attempt + 1} of {row.max_attempts} up in time: {who}.{before}"


def _limits(row: Snapshot) -> str:
    places = "" if row.lane_places is None else f"{row.lane_places:,} at once"
    gap = "" if row.lane_gap_us is None else f"one in {row.lane_gap_us / 1_000_000:g} s"
    return f"{places}{', ' if places and gap else ''}{gap}"


def _worker_lost(row: Snapshot, worker: WorkerRow | None) -> str:
    said = f"The worker died or stopped answering during attempt {row.attempt} of {row.max_attempts}"
    if worker is None:
        return f"{said}: it was killed, crashed or ran out of memory. Look at that machine's system log."
    silent = _seconds(max(0, (worker.lost_at or row.as_of) - worker.heard_at))
    return (
        f"{said}: process {worker.pid} on {worker.host} was killed, crashed, ran out of memory or froze "
        f"(last heard {silent} before). Look at that machine's system log."
    )


def silence_ms(message: str) -> int | None:
    """How long a lost worker had been silent, as the message of its task says; None if it does not."""
    said = _SILENT.search(message)
    return None if said is None else round(float(said[1]) * 1000)


def _brought(workers: Sequence[WorkerRow]) -> str:
    engines = sorted({worker.engine for worker in workers if worker.engine})
    return f" ({', '.join(engines)})" if engines else ""


def _count(workers: Sequence[WorkerRow]) -> str:
    return "1 worker is" if len(workers) == 1 else f"{len(workers)} workers are"


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:g} s"
