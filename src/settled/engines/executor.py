"""Anything with the interface of ``concurrent.futures.Executor`` as the engine: a process pool, Dask, and so on.

What is submitted is a function of this module and three texts, so nothing of a task is ever pickled. The executor's
own result is not looked at: the row is. A pool that broke is made anew, if it was given as a function that makes one.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from functools import partial
from typing import Any

from settled.engines.base import EngineRefused, Home, Message, no_worker
from settled.errors import BadInput, LedgerUnavailable
from settled.runner.text import shown

log = logging.getLogger("settled")
URL_LIMIT = 300

in_pool = False
"""Whether this process is a worker of a pool: what it submits is published by a process that has the pool."""


class ExecutorEngine:
    """``Tasks(url, engine=ExecutorEngine(make_pool, "app:tasks"))``: tasks are carried by the executor's workers.

    executor  an executor, or better a function that makes one, called when the first task is submitted: the workers
              import the application too, and should not make pools of their own by that
    target    where they find the ``Tasks`` object, as MODULE:ATTRIBUTE
    """

    name = "executor"
    at_once = 1

    def __init__(self, executor: Executor | Callable[[], Executor], target: str) -> None:
        module, _, attribute = target.partition(":")
        if not module or not attribute or module == "__main__":
            raise BadInput(
                f"{target!r} does not say where the executor's workers find the Tasks object. Write MODULE:ATTRIBUTE "
                "of a module that they can import, as in app:tasks."
            )
        self.target = target
        self._make = executor if callable(executor) else None
        self._executor = None if callable(executor) else _checked(executor)
        self._guard = threading.Lock()
        self._home: Home | None = None

    @property
    def publishes(self) -> bool:
        return not in_pool

    def attach(self, home: Home) -> None:
        self._home = home

    def prepare(self) -> None:
        """The pool is made with the first task."""

    def publish(self, messages: Sequence[Message]) -> None:
        (message,) = messages
        try:
            self._submit(message)
        except BrokenExecutor as error:
            if self._make is None:
                raise EngineRefused(
                    f"the pool is broken ({error}). Give ExecutorEngine a function that makes it, so that it can be "
                    "made anew."
                ) from error
            self._submit(message)

    def _submit(self, message: Message) -> None:
        assert self._home is not None
        executor = self._get()
        try:
            future = executor.submit(run, self.target, shown(self._home.url, URL_LIMIT), message.id, _here())
        except BrokenExecutor:
            self._drop(executor)
            raise
        except (RuntimeError, OSError):  # shut down, or its scheduler is away
            raise
        except Exception as error:  # e.g. a PicklingError
            raise EngineRefused(f"{type(error).__name__}: {error}") from error
        future.add_done_callback(partial(self._done, message.id, executor))

    def work(self, *, concurrency: int | None, drain: float | None, arguments: Sequence[str]) -> None:
        no_worker("an executor", "They are the executor's own: its processes, or those of its cluster.")

    def close(self) -> None:
        if self._make is not None:
            with self._guard:
                executor, self._executor = self._executor, None
            if executor is not None:
                executor.shutdown(wait=False)

    def _get(self) -> Executor:
        with self._guard:
            if self._executor is None and self._make is not None:
                try:
                    self._executor = _checked(self._make())
                except BadInput as error:
                    raise EngineRefused(str(error)) from error
            if self._executor is None:
                raise EngineRefused("the pool is broken, and was given as it is.")
            return self._executor

    def _drop(self, broken: Executor) -> None:
        with self._guard:
            if self._executor is broken and self._make is not None:
                self._executor = None

    def _done(self, task_id: str, executor: Executor, future: Future[str | None]) -> None:
        """Look at what the pool says, in a thread of the pool's: only of a task that never reached its claim."""
        try:
            why = future.result(timeout=0)
        except CancelledError:
            return  # it is pending still, and published again
        except BrokenExecutor:
            self._drop(executor)  # whoever ran there is found dead by its lock; the others are published again
            return
        except BaseException as error:
            why = f"{type(error).__name__}: {error}"
        if why and self._home is not None:
            self._home.refuse(task_id, f"executor refused the task: {why}")


def run(target: str, url: str, task_id: str, submitter: str) -> str | None:
    """Run one task in a worker of the pool; return why that cannot be, where it can never be."""
    global in_pool
    in_pool = in_pool or submitter != _here()
    module, _, attribute = target.partition(":")
    try:
        tasks: Any = importlib.import_module(module)
        for name in attribute.split("."):
            tasks = getattr(tasks, name)
    except Exception as error:
        return f"its worker cannot find {target}: {type(error).__name__}: {error}. Put the code where it can import it."
    there = shown(tasks.url, URL_LIMIT)
    if there != url:
        return f"{target} is on {url} here and on {there} in its worker. Use one absolute URL for both."
    try:
        tasks.carry(task_id)
    except LedgerUnavailable as error:
        log.warning("Task %s is published again later: %s", task_id, error)
    return None


def _here() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _checked(executor: Any) -> Executor:
    """Raise ``BadInput`` for what is no executor, or one whose workers cannot open a ledger."""
    if not callable(getattr(executor, "submit", None)):
        raise BadInput(f"{executor!r} is no executor: it has no submit(). Give one, or a function that makes one.")
    context = getattr(executor, "_mp_context", None)
    if context is not None and context.get_start_method() == "fork":
        raise BadInput(
            "A ProcessPoolExecutor that forks copies open connections and locks into its workers, which cannot use "
            "them. Make it with mp_context=multiprocessing.get_context('spawn')."
        )
    found: Executor = executor
    return found
