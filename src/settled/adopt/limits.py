"""From what Celery knows of a call to the row that it gets: its bound is plain arithmetic, as for any task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from settled.errors import BadArguments
from settled.function import arguments_of
from settled.policy import MAX_ATTEMPTS, MAX_SECONDS, Policy, ms
from settled.records import ADOPTED, REDELIVERED, NewTask

TIMEOUT = 600.0
START_TIMEOUT = 600.0
AFTER_HARD = 5.0
"""Seconds after Celery's hard time limit, when its own words ought to have been written."""
AFTER_SOFT = 30.0
"""Seconds that a task gets to clean up after its soft time limit, where no hard one ends it."""
AFTER_EXPIRY = 5.0
"""Seconds after ``expires`` in which a worker may still say so."""
UNLIMITED = 10
"""Attempts of a task with ``max_retries=None``: a bound is needed."""
LOST = 2
"""Deliveries beyond the retries, of what a broker brings again when a worker was lost."""
MAX_ARGUMENTS = 100_000
"""Bytes of JSON; what is longer is not kept, for the message has it."""


class Limits(NamedTuple):
    """What the tasks of one name get, in seconds; None leaves it to what Celery knows of them."""

    timeout: float | None = None
    start_timeout: float | None = None
    attempts: int | None = None


class Call(NamedTuple):
    """One call, as Celery is asked for it or has brought it."""

    id: str
    name: str
    args: Any
    kwargs: Any
    task: Any = None  # Celery's, if this process has one of that name
    time_limit: float | None = None
    soft_time_limit: float | None = None
    wait: float = 0.0  # seconds until it may start
    expires: float | None = None  # seconds after which it is not started any more


def new_task(call: Call, given: Limits, lease: float) -> NewTask:
    """The row of a call; raise ``BadPolicy`` for limits that make no sense."""
    start = start_timeout(call, given)
    again = _brought_again(call.task)
    attempts = given.attempts or _attempts(call.task) + (LOST if again else 0)
    policy = Policy(timeout(call, given), min(start, MAX_SECONDS), min(attempts, MAX_ATTEMPTS), 0.0, lease)
    pauses = (policy.attempts - 1) * _pause(call.task)
    return NewTask(
        call.name, _arguments(call), ms(policy.start_timeout), ms(policy.timeout), ms(lease), 0, policy.attempts,
        policy.reserve_ms(0) + round(pauses * 1000), (REDELIVERED if again else ADOPTED) + call.id, id=call.id,
    )  # fmt: skip


def start_timeout(call: Call, given: Limits) -> float:
    """The seconds from now in which it must be started."""
    start = call.wait + (START_TIMEOUT if given.start_timeout is None else given.start_timeout)
    return start if call.expires is None else max(0.001, min(start, call.expires + AFTER_EXPIRY))


def timeout(call: Call, given: Limits) -> float:
    """The seconds of one attempt: by the call's own limit, the task's or the app's, else what was given."""
    conf = call.task.app.conf if call.task is not None else None
    for hard, soft in (
        (call.time_limit, call.soft_time_limit),
        (getattr(call.task, "time_limit", None), getattr(call.task, "soft_time_limit", None)),
        (getattr(conf, "task_time_limit", None), getattr(conf, "task_soft_time_limit", None)),
    ):
        if hard:
            return float(hard + AFTER_HARD)
        if soft:
            return float(soft + AFTER_SOFT)
    return TIMEOUT if given.timeout is None else given.timeout


def seconds_until(when: Any, now: datetime) -> float:
    """From what Celery takes for a time (a number of seconds, an instant, its text) to seconds from ``now``."""
    if when is None:
        return 0.0
    if isinstance(when, (int, float)):
        return max(0.0, float(when))
    instant = datetime.fromisoformat(when) if isinstance(when, str) else when
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=now.tzinfo)
    return float(max(0.0, (instant - now).total_seconds()))


def followers(options: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The signatures that run after a call, in order: the rest of its chain, and the body of its chord."""
    for signature in [*reversed(options.get("chain") or ()), options.get("chord")]:
        if signature:
            yield signature
            yield from followers(signature.get("options") or {})


def _attempts(task: Any) -> int:
    retries = getattr(task, "max_retries", 0) if task is not None else 0
    return UNLIMITED if retries is None else int(retries) + 1


def _pause(task: Any) -> float:
    """The longest pause between two attempts that the task asks for beforehand."""
    longest = float(getattr(task, "default_retry_delay", 0) or 0)
    given = getattr(task, "retry_kwargs", None) or {}
    longest = max(longest, float(given.get("countdown") or 0))
    return (
        max(longest, float(getattr(task, "retry_backoff_max", 600))) if getattr(task, "retry_backoff", 0) else longest
    )


def _brought_again(task: Any) -> bool:
    return bool(getattr(task, "acks_late", False) or getattr(task, "retry_on_worker_lost", False))


def _arguments(call: Call) -> str:
    try:
        return arguments_of(call.name, tuple(call.args or ()), dict(call.kwargs or {}), MAX_ARGUMENTS)
    except (BadArguments, TypeError, ValueError):  # the message has them, in a form of its own
        return arguments_of(call.name, ("(not kept: Celery has them)",), {}, MAX_ARGUMENTS)
