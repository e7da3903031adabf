"""Adopts the tasks of a Celery app: ``adopt(app, tasks)``, once, in the module that workers and producers import.

A call gets its row before its message leaves, under Celery's own id. Celery brings it, runs it, tries it again and
keeps its results as it did; what becomes of it is written down where it happens.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from functools import wraps
from typing import Any

from celery import Celery, canvas, concurrency, signals
from celery.concurrency import prefork
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery.utils.imports import symbol_by_name

from settled.adopt.book import Begun, Book
from settled.adopt.clerk import Clerk
from settled.adopt.limits import Limits, start_timeout
from settled.adopt.sending import OWN, Sending, time_ordered
from settled.errors import BadInput, LedgerUnavailable
from settled.policy import Policy
from settled.records import Snapshot
from settled.runner.outcome import Outcome, completed, raised
from settled.states import Reason, Status
from settled.tasks import Tasks

log = logging.getLogger("settled")
ENGINE = "celery"
TERMINATED = Outcome(Reason.CANCELLED, message="Celery revoked it, and it was terminated while it ran.")


def adopt(
    app: Celery, tasks: Tasks, *, timeout: float | None = None, start_timeout: float | None = None,
    attempts: int | None = None, by_name: Mapping[str, Limits] | None = None, terminate: bool = True,
) -> None:  # fmt: skip
    """Give every task of ``app`` a row in the ledger of ``tasks``. Times in seconds.

    timeout        of an attempt for which Celery has no time limit (default: 10 min)
    start_timeout  from its eta on, until it must be started (default: 10 min)
    attempts       in all (default: its ``max_retries`` and one)
    by_name        other limits for the tasks of some names
    terminate      whether a cancelled task that runs is killed with its pool process, which Celery calls a last resort

    Raises ``BadPolicy`` for limits that make no sense, and ``BadInput`` for an app that is adopted already.
    """
    if isinstance(getattr(app, "settled", None), Adoption):
        raise BadInput("This Celery app is adopted already. Call adopt once, where the app is made.")
    for given in (Limits(timeout, start_timeout, attempts), *(by_name or {}).values()):
        said = (limit if limit is not None else 1 for limit in given)
        Policy(*said)  # type: ignore[arg-type]
    app.settled = Adoption(app, tasks, Limits(timeout, start_timeout, attempts), dict(by_name or {}), terminate)


class Adoption:
    """One app's tasks, and the ledger that they have rows in."""

    def __init__(
        self, app: Celery, tasks: Tasks, limits: Limits, by_name: Mapping[str, Limits], terminate: bool
    ) -> None:
        self._app = app
        self._tasks = tasks
        self._terminate = terminate
        self._book = Book(tasks, ENGINE)
        self._clerk = Clerk(tasks.url)
        self._works = False  # this process is a worker of this app, or of its pool
        self._unwanted: set[str] = set()  # cancelled, and brought here all the same
        self._sending = Sending(app, app.send_task, self._book, tasks.lease, limits, by_name)
        app.send_task = self._sending.send
        canvas.uuid = time_ordered  # the ids of chains, groups and chords; of single calls they are made here
        tasks.on_cancel(self._cancelled)
        for signal, receiver in (
            (signals.worker_init, self._worker_begins), (signals.worker_process_init, self._process_began),
            (signals.worker_ready, self._worker_is_ready), (signals.worker_process_shutdown, self._process_ends),
            (signals.worker_shutdown, self._worker_ends),
            (signals.task_prerun, self._begins), (signals.task_postrun, self._ended),
            (signals.task_revoked, self._revoked), (signals.task_failure, self._failed_from_outside),
            (signals.task_unknown, self._unknown), (signals.task_rejected, self._discarded),
        ):  # fmt: skip
            signal.connect(receiver, weak=False)

    def _cancelled(self, row: Snapshot) -> None:
        """Tell Celery's workers, from a thread, since a broker that is away holds up whoever speaks to it."""
        if row.adopted:
            running = self._terminate and row.status is Status.RUNNING
            threading.Thread(
                target=self._app.control.revoke, args=(row.id,), kwargs={"terminate": running}, name="settled-revoke",
                daemon=True,
            ).start()  # fmt: skip

    # -- where a task runs

    def _process_began(self, **_: object) -> None:
        """In each process of a prefork pool, which must be ready within four seconds; the ledger may be away."""
        if self._sending.off:
            self._sending.off = False
            self._clerk.leave()
        if self._works:
            threading.Thread(target=self._enlist, name="settled-begin", daemon=True).start()

    def _enlist(self) -> None:
        try:
            self._tasks.enlist(self._names, ENGINE)
        except LedgerUnavailable as error:  # the first task tries again
            log.warning("No task is seen here until the ledger answers: %s", error)

    def _begins(self, sender: Any, task_id: str, **_: object) -> None:
        """Claim an attempt right before its code; what it raises is swallowed by Celery."""
        request = sender.request
        if self._is_ours(sender, request):
            begun = self._book.begin(self._sending.row_of(sender, request), self._names)
            if begun is Begun.CANCELLED:
                self._unwanted.add(task_id)

    def _gate(self, task: Any) -> None:
        """Have a task's own code not run where the task was cancelled."""
        run = task.run

        @wraps(run)
        def gated(*args: Any, **kwargs: Any) -> Any:
            if self._unwanted:
                for request in task.request_stack.stack:  # a ``__call__`` of its own has put another one on top
                    if request.id in self._unwanted:
                        task.backend.mark_as_revoked(request.id, "cancelled", request, not request.ignore_result)
                        raise Ignore("The task was cancelled.")
            return run(*args, **kwargs)

        task.run = gated

    def _ended(self, sender: Any, task_id: str, state: str | None, retval: Any, **_: object) -> None:
        request = sender.request
        if not self._is_ours(sender, request):
            return
        self._unwanted.discard(task_id)
        error = sys.exception()
        if state is None and not isinstance(error, Exception):
            self._book.forget(task_id)  # the process ends: its lock says so, or Celery's main process
            return
        outcome, note = self._outcome(state, retval, error)
        if state == "REJECTED" and retval.requeue:
            self._book.put_back(
                task_id,
                0.0,
                start_timeout(self._sending.call_of(sender, request), self._sending.limits_of(sender.name)),
                outcome,
            )
        if state in ("RETRY", "IGNORED", "REJECTED") and not self._book.runs(task_id):
            return  # it was put back
        row = self._book.end(self._sending.row_of(sender, request), outcome, self._names, note)
        if row is not None and outcome.reason is not None:
            why = f"{row.name} ({row.id}), which comes before it, failed: {outcome.message}"
            self._book.close(self._sending.ids_after(request), Outcome(Reason.CANCELLED, message=why))

    def _outcome(self, state: str | None, retval: Any, error: BaseException | None) -> tuple[Outcome, str]:
        if state == "SUCCESS":
            outcome = completed(retval, self._tasks.max_result_bytes)
            if outcome.reason is None:
                return outcome, ""
            return Outcome(None, "null"), outcome.message or ""  # Celery says that it succeeded, and so it did
        if state == "IGNORED":
            said = "The task raised Ignore: nothing more is to come of it."
            return Outcome(Reason.CANCELLED, message=said), ""
        if isinstance(retval, Reject):
            return Outcome(
                Reason.EXCEPTION, message=f"The task rejected its message: {retval.reason}", error_type="Reject"
            ), ""
        if isinstance(retval, SoftTimeLimitExceeded):
            return raised(retval)._replace(reason=Reason.TIMEOUT, message="It ran into Celery's soft time limit."), ""
        known = retval if isinstance(retval, BaseException) else error
        return raised(known or RuntimeError(f"It ended in the state {state}.")), ""

    def _is_ours(self, task: Any, request: Any) -> bool:
        return task.app is self._app and not request.is_eager and not task.name.startswith(OWN)

    def _process_ends(self, **_: object) -> None:
        if self._works:
            self._tasks.stop()

    # -- in a worker's main process, which alone hears of these

    def _worker_begins(self, sender: Any, **_: object) -> None:
        self._works = sender.app is self._app
        if not self._works:
            return
        self._sending.off = issubclass(concurrency.get_implementation(sender.pool_cls), prefork.TaskPool)
        for name, task in self._app.tasks.items():
            if not name.startswith(OWN):
                self._gate(task)
                self._terminates(task)
        self._clerk.start()

    def _worker_is_ready(self, **_: object) -> None:
        if not self._sending.off:
            self._process_began()

    def _worker_ends(self, **_: object) -> None:
        self._clerk.stop()
        if not self._sending.off:
            self._process_ends()

    def _terminates(self, task: Any) -> None:
        """Have it written that a task was revoked before its process is killed."""
        base, clerk = symbol_by_name(task.Request), self._clerk

        class Request(base):  # type: ignore[misc, valid-type]
            def terminate(self, pool: Any, signal: Any = None) -> None:
                clerk.tell(self.id, TERMINATED, first=True)
                super().terminate(pool, signal)

        task.Request = Request

    def _revoked(self, sender: Any, request: Any, terminated: bool, expired: bool, **_: object) -> None:
        if sender.app is not self._app:
            return
        expiry = f"It expired before a worker started it (expires={request.expires})."
        said = Outcome(Reason.CANCELLED, message=expiry if expired else "Celery revoked it.")
        self._clerk.tell(request.id, TERMINATED if terminated else said)
        why = f"Task {request.id}, which comes before it, was revoked or has expired."
        for id_ in self._sending.ids_after(request):
            self._clerk.tell(id_, Outcome(Reason.CANCELLED, message=why))

    def _failed_from_outside(self, sender: Any, task_id: str, exception: BaseException, **_: object) -> None:
        if sender.app is not self._app:
            return
        if isinstance(exception, TimeLimitExceeded):
            said = f"It ran longer than Celery's hard time limit of {exception.args[0]} s, and its process was killed."
            self._clerk.tell(task_id, Outcome(Reason.TIMEOUT, message=said, error_type="TimeLimitExceeded"), first=True)
        elif isinstance(exception, WorkerLostError):
            said = f"The pool process that ran it is gone: {exception}"
            self._clerk.tell(task_id, Outcome(Reason.WORKER_LOST, message=said, error_type="WorkerLostError"))

    def _unknown(self, sender: Any, name: str, id: str, **_: object) -> None:  # noqa: A002 - Celery's name for it
        if sender.app is not self._app:
            return
        said = f"A Celery worker got it, knows no task named {name!r}, and dropped it. Deploy the code that has it."
        self._clerk.tell(id, Outcome(Reason.ENQUEUE_FAILED, message=said))

    def _discarded(self, sender: Any, message: Any, exc: BaseException, **_: object) -> None:
        task_id = (message.headers or {}).get("id")
        if sender.app is self._app and task_id:
            said = f"A Celery worker could not read its message, and dropped it: {exc}"
            self._clerk.tell(task_id, Outcome(Reason.ENQUEUE_FAILED, message=said))

    # -- the inside

    @property
    def _names(self) -> list[str]:
        return [name for name in self._app.tasks if not name.startswith(OWN)]
