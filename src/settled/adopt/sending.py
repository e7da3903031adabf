"""Where a call of an adopted task is published: it has its row before its message leaves."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from settled.adopt.book import Book
from settled.adopt.limits import Call, Limits, followers, new_task, seconds_until, start_timeout
from settled.errors import SettledError
from settled.ids import new_id
from settled.records import NewTask
from settled.runner.outcome import Outcome, raised
from settled.states import Reason

log = logging.getLogger("settled")
OWN = "celery."
"""Begins the names of Celery's own tasks, which do its bookkeeping and get no row."""


class Sending:
    """The way of an app's calls to its broker, past the book. ``publish`` is the app's own ``send_task``."""

    def __init__(
        self,
        app: Any,
        publish: Callable[..., Any],
        book: Book,
        lease: float,
        general: Limits,
        by_name: Mapping[str, Limits],
    ) -> None:
        self.off = False  # this process must open no ledger: what it publishes has its row when it runs
        self._app = app
        self._publish = publish
        self._book = book
        self._lease = lease
        self._general = general
        self._by_name = by_name

    def send(
        self, name: str, args: Any = None, kwargs: Any = None, countdown: Any = None, eta: Any = None,
        task_id: str | None = None, *rest: Any, **options: Any,
    ) -> Any:  # fmt: skip
        task_id = task_id or time_ordered()
        if self.off or name.startswith(OWN):
            return self._publish(name, args, kwargs, countdown, eta, task_id, *rest, **options)
        now = self._app.now()
        call = Call(
            task_id, name, args, kwargs, self._app.tasks.get(name), options.get("time_limit"),
            options.get("soft_time_limit"), seconds_until(countdown if eta is None else eta, now),
            None if options.get("expires") is None else seconds_until(options["expires"], now),
        )  # fmt: skip
        if self._book.runs(task_id):  # a retry, or what replaces the task under its id
            entered = [task_id] if self._put_back(call) else []
        else:
            entered = self._enter(call, options)
        try:
            return self._publish(name, args, kwargs, countdown, eta, task_id, *rest, **options)
        except Exception as error:
            message = f"Celery could not publish it: {type(error).__name__}: {error}"
            self._book.close(entered, Outcome(Reason.ENQUEUE_FAILED, message=message))
            raise

    def _enter(self, call: Call, options: Mapping[str, Any]) -> list[str]:
        """A row for the call, and for what is to follow it; return their ids.

        In a task an error would be taken for the task's own, so what cannot be entered there has its row when it runs.
        """
        entered = []
        wait = call.wait
        try:
            for one in [call, *self._followers(options)]:
                new = new_task(
                    one._replace(wait=one.wait if one is call else wait), self.limits_of(one.name), self._lease
                )
                wait = (new.start_timeout_ms + new.reserve_ms) / 1000
                row, created = self._book.enter(new)
                if created:
                    entered.append(row.id)
                elif row.settled:
                    log.warning("Task id %s was used before; what this call comes to is refused.", row.id)
        except SettledError as error:
            if self._app.current_worker_task is None:
                self._book.close(entered, Outcome(Reason.ENQUEUE_FAILED, message=str(error)))
                raise
            log.warning("Task %s has no row until it runs: %s", call.id, error)
        return entered

    def _followers(self, options: Mapping[str, Any]) -> list[Call]:
        calls = []
        for one in followers(options):
            name, id_ = one["task"], (one.get("options") or {}).get("task_id")
            if id_ and not name.startswith(OWN):
                calls.append(Call(id_, name, one.get("args"), one.get("kwargs"), self._app.tasks.get(name)))
        return calls

    def ids_after(self, request: Any) -> list[str]:
        return [call.id for call in self._followers({"chain": request.chain, "chord": request.chord})]

    def _put_back(self, call: Call) -> bool:
        error = sys.exception()
        outcome = Outcome(Reason.EXCEPTION, message="It asked to be run again.") if error is None else raised(error)
        try:
            return self._book.put_back(
                call.id, call.wait, start_timeout(call, self.limits_of(call.name)) - call.wait, outcome
            )
        except SettledError as unavailable:
            log.warning("Task %s settles by its bound, for its retry could not be written: %s", call.id, unavailable)
            return False

    def call_of(self, task: Any, request: Any) -> Call:
        hard, soft = request.timelimit or (None, None)
        return Call(request.id, task.name, request.args, request.kwargs, task, hard, soft)

    def row_of(self, task: Any, request: Any) -> NewTask:
        return new_task(self.call_of(task, request), self.limits_of(task.name), self._lease)

    def limits_of(self, name: str) -> Limits:
        given = self._by_name.get(name, Limits())
        return Limits(*(general if own is None else own for own, general in zip(given, self._general, strict=True)))  # type: ignore[arg-type]


def time_ordered() -> str:
    """An id as settled's are: so lists are in the order of time, and a pruned one is told from one that never was."""
    return new_id(time.time_ns() // 1_000_000)
