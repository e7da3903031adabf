"""Statements of many rows, each of which changes all of its rows or none.

So what is normally the case need not be looked at before, and one crossing into SQLite may be a
whole commit. Each crossing gives the interpreter lock away, and getting it back from a busy event
loop costs more than the statement. A number of rows is padded with empty ones, which match nothing,
to one that is met again, for a statement is prepared once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

from settled.records import Snapshot, Verdict
from settled.states import Status
from settled.stores import queries
from settled.stores.base import Refresh

NEW = f"({', '.join('?' * 18)})"
NEW_GROUPED = f"({', '.join('?' * 23)})"
MORE = ", batch, lane, lane_places, lane_gap_us, latest"
"""The columns of a new row that belongs to a batch or to a lane, or refreshes a key; the others are spared them."""

SQL = queries.load("sqlite")
SQL["insert_grouped"] = SQL["insert_tasks"].replace("{more}", MORE)
SQL["insert_tasks"] = SQL["insert_tasks"].replace("{more}", "")
SQL["insert_keyed"] = SQL["insert_keyed"].replace("{more}", MORE).replace("{row}", NEW_GROUPED)
MOST_ROWS = 1_024
"""Rows of one statement; SQLite takes 32,766 parameters."""
# Rows of values; what is always the same is not bound again and again.
COMPLETED = "(?, ?, ?, 'completed', ?, NULL, NULL, NULL, NULL, 0, NULL)"
FAILED = "(?, ?, ?, 'failed', NULL, ?, ?, ?, ?, ?, ?)"
PUT_BACK = "(?, ?, ?, ?, ?, ?, ?, ?)"

Statement = tuple[str, Sequence[Any]]
"""The text and its values."""


def insertion(rows: Sequence[Snapshot], worker: str | None, offset: int) -> Statement:
    """Insert new tasks, if the clock's offset is right and the worker that claims them (if any) may be given work."""
    head = (offset, worker, worker)
    if any(row.batch is not None or row.lane is not None or row.latest is not None for row in rows):
        return _of_rows("insert_grouped", NEW_GROUPED, head, [of_new(row) + of_group(row) for row in rows], ())
    return _of_rows("insert_tasks", NEW, head, [of_new(row) for row in rows], ())


def settlement(rows: Sequence[Verdict], now: int, bound: int, offset: int) -> Statement:
    """Write verdicts of one status on different attempts; what is past its bound at ``bound`` only if it is expiry."""
    fence = (bound, len(rows), offset)
    status = rows[0].status
    if status is Status.COMPLETED:
        completed = [(v.id, v.attempt, str(v.seen), v.result_data) for v in rows]
        return _of_rows("settle", COMPLETED, (now,), completed, fence)
    if status is Status.FAILED:
        return _of_rows("settle", FAILED, (now,), [_of_failure(v) for v in rows], fence)
    return _of_rows("put_back", PUT_BACK, (), [_of_return(v) for v in rows], fence)


def of_new(s: Snapshot) -> tuple[Any, ...]:
    """The values of an inserted row, in the order of ``insert_tasks``."""
    return (
        s.id, str(s.status), s.name,
        *s[8:11],  # arguments, key, owner
        *s[13:20],  # attempt, max_attempts, timeout_ms, lease_ms, backoff_ms, created_at, started_at
        *s[21:26],  # due_at, deadline_at, settles_at, worker, retry_of
    )  # fmt: skip


def of_group(s: Snapshot) -> tuple[Any, ...]:
    """The values that follow in a row of a batch or a lane, or that refreshes a key."""
    return tuple(s[27:32])


def of_refresh(item: Refresh) -> dict[str, Any]:
    """The values of ``start_refresh``, but for the instant."""
    named = {"name": item.new.name, "key": item.key, "task": item.task, "force": item.force}
    return {**item.policy._asdict(), **named}


def _of_failure(v: Verdict) -> tuple[Any, ...]:
    return (
        v.id, v.attempt, str(v.seen), str(v.reason), v.error_message, v.error_type, v.traceback, int(v.expiry),
        v.retry_after_ms,
    )  # fmt: skip


def _of_return(v: Verdict) -> tuple[Any, ...]:
    return v.id, v.attempt, str(v.seen), v.due_at, v.deadline_at, v.error_message, v.error_type, v.traceback


def _of_rows(
    name: str, row: str, head: tuple[Any, ...], rows: Sequence[tuple[Any, ...]], tail: tuple[Any, ...]
) -> Statement:
    count = len(rows)
    size = _met_again(count)
    padding = [None] * ((size - count) * len(rows[0]))
    return _text(name, row, size), (*head, *chain.from_iterable(rows), *padding, *tail)


def _met_again(count: int) -> int:
    """The next number of which there are few: four to each power of two."""
    step = max(1, 1 << count.bit_length() >> 3)
    return -(-count // step) * step


@cache
def _text(name: str, row: str, size: int) -> str:
    return SQL[name].replace("{rows}", ", ".join([row] * size))
