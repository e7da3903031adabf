"""One run on a stage: the worker is kept alive, the fault strikes, the task is polled, and its promise is checked."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from settled.errors import LedgerUnavailable
from settled.function import TaskFunction
from settled.ledger import Ledger
from settled.records import NewTask, Snapshot, ending_of
from settled.testing.faults import GO, Fault, Hang, Order
from settled.testing.ground import Ground
from settled.testing.listener import Listener
from settled.testing.play import Play
from settled.testing.processes import Process
from settled.testing.report import Execution, Report
from settled.testing.spots import spot_of

LOOK_EVERY = 0.02
READY_WITHIN = 60.0
GRACE = 5.0
"""Seconds past the bound for an answer to come in; a busy machine is no broken promise."""
AFTERWARDS = 3.0
"""Seconds for calls that were given up on to end, since what they write then must not count."""
MOST_RESTARTS = 20


class Performance:
    """Owns the worker and the listener, and is the scene that the fault strikes at; a context manager, played once."""

    def __init__(
        self, ledger: Ledger, ground: Ground, play: Play, function: TaskFunction[..., Any], fault: Fault | None,
        log: Path,
    ) -> None:  # fmt: skip
        spot = None if fault is None else spot_of(function.function, fault)
        self.pid = 0
        self.memory_limit = function.described.memory_limit if function.isolation == "process" else None
        self._ledger = ledger
        self._ground = ground
        self._fault = fault
        self._name = function.name
        self._log = log
        self._guard = threading.Lock()
        self._ready = threading.Event()
        self._ending = threading.Event()
        self._struck_at: float | None = None
        self._begun: list[Execution] = []
        self._ended: set[Execution] = set()
        self._mending: list[tuple[float, Callable[[], None]]] = []
        self._restarts = 0
        self._task_id = ""
        self._listener = Listener(self._hear)
        self._play = play._replace(port=self._listener.port, token=self._listener.token, spot=spot)
        self._worker: Process | None = None

    # -- what a fault may do (faults.Scene)

    def signal_worker(self, number: signal.Signals) -> None:
        assert self._worker is not None
        self._worker.send(number)

    def signal_process(self, number: signal.Signals) -> None:
        if self._worker is not None and self.pid == self._worker.pid:
            self._worker.send(number)
        else:
            os.kill(self.pid, number)

    def freeze(self, seconds: float) -> None:
        worker = self._worker
        assert worker is not None
        worker.send_all(signal.SIGSTOP)
        while self._ground.is_locked():  # it stands within a write, and nobody else could write until it goes on
            worker.send_all(signal.SIGCONT)
            self._pause()
            worker.send_all(signal.SIGSTOP)
        self._mending.append((time.monotonic() + seconds, lambda: worker.send_all(signal.SIGCONT)))

    def take_ledger_away(self, seconds: float) -> None:
        self._ground.take_away()
        self._mending.append((time.monotonic() + seconds, self._ground.give_back))

    # -- the run

    def play(self, new: NewTask, *, restart: bool) -> Report:
        """From the worker's start to its end."""
        self._start_worker()
        self._until_ready()
        row, _ = self._ledger.add(new)
        self._task_id = row.id
        settled = self._settled(row, restart=restart)
        seconds = None if self._struck_at is None else time.monotonic() - self._struck_at
        self._let_the_late_come()
        self._check(settled)
        return Report(ending_of(settled), tuple(self._begun), seconds, self._restarts, self._said())

    def _start_worker(self) -> None:
        self._ready.clear()
        self._worker = Process("settled.testing.worker:main", [], self._play.environment(), self._log)

    def _until_ready(self) -> None:
        end = time.monotonic() + READY_WITHIN
        while not self._ready.wait(LOOK_EVERY):
            assert self._worker is not None
            alive = self._worker.alive
            self._demand(alive and time.monotonic() < end, "The worker could not begin")

    def _settled(self, row: Snapshot, *, restart: bool) -> Snapshot:
        """Poll as a page does; keep the worker alive meanwhile."""
        end = time.monotonic() + (row.settles_at - row.as_of) / 1000 + GRACE
        while True:
            self._mend()
            if restart:
                self._supervise()
            try:
                row = self._ledger.get(row.id)
            except LedgerUnavailable:
                pass  # a page would ask again
            else:
                if row.settled:
                    return row
                self._demand(
                    row.as_of < row.settles_at,
                    f"The promise is broken: {self._name} was to settle within {_bound(row):.1f} s, and is still "
                    f"{row.status}",
                )
            self._demand(time.monotonic() < end, f"The promise is broken: nobody answers for {self._name}")
            self._pause()

    def _supervise(self) -> None:
        if self._worker is not None and not self._worker.alive:
            self._restarts += 1
            self._demand(self._restarts <= MOST_RESTARTS, f"The worker has ended {MOST_RESTARTS} times")
            self._worker.close()
            self._start_worker()

    def _mend(self, *, all_: bool = False) -> None:
        for entry in list(self._mending):
            if all_ or time.monotonic() >= entry[0]:
                self._mending.remove(entry)
                entry[1]()

    def _let_the_late_come(self) -> None:
        """Undo what is still to be undone, and give calls that were given up on the time to write what they want."""
        while self._mending:
            self._mend()
            self._pause()
        end = time.monotonic() + AFTERWARDS
        while time.monotonic() < end and self._unended():
            self._pause()
        if self._worker is not None and self._worker.alive:
            self._worker.send(signal.SIGTERM)  # it writes what it still has
            self._worker.ended(AFTERWARDS / 2)

    def _unended(self) -> bool:
        worker = self._worker
        if isinstance(self._fault, Hang) or worker is None or not worker.alive:
            return False
        return any(run.pid == worker.pid and run not in self._ended for run in self._begun)

    def _check(self, settled: Snapshot) -> None:
        (now,) = self._ledger.store.read([settled.id])
        changed = [f for f in Snapshot._fields if f != "as_of" and getattr(now, f) != getattr(settled, f)]
        self._demand(
            not changed,
            f"The promise is broken: {self._name} had settled as {ending_of(settled)}, and has changed afterwards: "
            f"{', '.join(f'{f} is {getattr(now, f)!r}' for f in changed)}",
        )
        twice = [attempt for attempt, times in Counter(run.attempt for run in self._begun).items() if times > 1]
        self._demand(not twice, f"The promise is broken: attempt {twice} of {self._name} was begun twice")
        if self._fault is not None:
            ran = f"{len(self._begun)} attempts began" if self._begun else "no attempt began"
            self._demand(
                self._struck_at is not None,
                f"{self._fault} never struck: {ran}, and attempt {self._fault.attempt} did not come to its point. "
                f"The task is {ending_of(settled)}",
            )

    def _pause(self) -> None:
        self._ending.wait(LOOK_EVERY)

    # -- what the agents say

    def _hear(self, message: Mapping[str, Any]) -> Order:
        event = message["event"]
        if event == "ready":
            self._ready.set()
        elif message["id"] == self._task_id or not self._task_id:
            run = Execution(message["attempt"], message["pid"])
            with self._guard:
                if event == "begun":
                    self._begun.append(run)
                elif event == "ended":
                    self._ended.add(run)
                elif self._fault is not None and self._struck_at is None and run.attempt == self._fault.attempt:
                    self.pid, self._struck_at = run.pid, time.monotonic()
                    return self._fault.strike(self)
        return GO

    # -- the end

    def _demand(self, holds: bool, otherwise: str) -> None:
        if not holds:
            fault = "" if self._fault is None else f"\nThe fault was {self._fault}."
            raise AssertionError(f"{otherwise}.{fault}\nThe worker said:\n{self._said() or '(nothing)'}")

    def _said(self) -> str:
        return "" if self._worker is None else self._worker.said()

    def __enter__(self) -> Performance:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._mend(all_=True)
        if self._worker is not None:
            self._worker.close()
        self._listener.close()


def _bound(row: Snapshot) -> float:
    return (row.settles_at - row.created_at) / 1000
