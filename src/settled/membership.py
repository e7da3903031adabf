"""Who of the workers lives, and this process as one of them: a row, a lock, and a lease that is renewed."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from settled.ids import new_id
from settled.records import WorkerRow
from settled.stores.base import Beat, Loss, Store
from settled.writer import READ_PATIENCE, Writer

T = TypeVar("T")


class Membership:
    """The workers of a ledger, from this process. Every method may be called from any thread."""

    def __init__(self, store: Store, writer: Writer, lease: float) -> None:
        self.lease = lease
        self.worker: str | None = None
        """The id of this process as a worker."""
        self._store = store
        self._writer = writer
        self._names: str | None = None
        self._engine: str | None = None
        self._processes: str | None = None
        self._enlisting = threading.RLock()
        self._renewed_at = 0.0
        self._away_at = 0
        """When this process last met the ledger away, on the ledger's clock."""

    def enlist(self, names: Sequence[str], engine: str | None = None, processes: Sequence[str] = ()) -> str:
        """Give this process a worker's row and lock; return its id.

        ``engine``: what brings its tasks, if anything. ``processes``: which of the names it runs in processes of their
        own; it ends these before its lease is over, and so nobody begins them anew before, where a lock may go
        though its holder lives.
        """
        with self._enlisting:
            self._names, self._engine = json.dumps(list(names)), engine
            self._processes = None if self._store.inline else json.dumps(list(processes))
            return self._enlist()

    def _enlist(self) -> str:
        with self._enlisting:
            worker = new_id(self._store.now())
            lease_ms = round(self.lease * 1000)
            row = WorkerRow(
                worker, socket.gethostname(), os.getpid(), str(self._names), 0, 0, lease_ms, None, self._engine,
                self._processes, 0,
            )  # fmt: skip
            self._store.hold(worker)
            sent = time.monotonic()
            try:
                self._writer.write_all("enlist", [row], READ_PATIENCE)  # the heartbeat tries again
            except BaseException:
                self._store.release(worker)
                raise
            self.worker, self._renewed_at = worker, sent
            return worker

    @property
    def lease_left(self) -> float:
        """Seconds for which others must believe this worker alive: counted from when the last renewal was sent."""
        return self._renewed_at + self.lease - time.monotonic()

    def beat(self) -> bool:
        """Renew the lease; enlist if that was not possible before, or anew if this worker was declared lost meanwhile.

        Return False in the last case.
        """
        worker = self.worker
        if worker is None:
            self._enlist_again(None)
            return True
        sent = time.monotonic()
        heard = self._reached(lambda: self._writer.write_all("beat", [self.beat_of(worker)], READ_PATIENCE)[0])
        if heard:
            self._renewed_at = sent
        else:
            self._enlist_again(worker)
        return bool(heard)

    def beat_of(self, worker: str) -> Beat:
        """The renewal of a lease, as it is written."""
        return Beat(worker, round(self.lease * 500))  # a longer silence of all was the ledger's, not ours

    def _enlist_again(self, before: str | None) -> None:
        """Enlist, unless another thread did meanwhile: of two rows one is never renewed, and takes its tasks along."""
        with self._enlisting:
            if self.worker != before or self._names is None:
                return
            self._enlist()
            if before is not None:
                self._store.release(before)

    def dismiss(self) -> None:
        """Give the worker's row back; what it still runs is then settled as lost by whoever looks."""
        worker, self.worker, self._names = self.worker, None, None
        if worker is None:
            return
        try:
            dismissed = self._writer.write_all("dismiss", [worker], READ_PATIENCE)[0]
            if not dismissed:
                self._writer.write_all("lose", [Loss(worker, True)], READ_PATIENCE)
        finally:
            self._store.release(worker)

    def lose_the_dead(self) -> Sequence[str]:
        """Declare lost whoever is dead for certain, or silent for a lease in which others were heard."""
        workers = self._reached(self._store.workers)
        others = [worker for worker in workers if worker.id != self.worker]
        if not others:
            return []
        pulse = self._store.pulse()
        lost = [worker.id for worker in others if worker.lost_at is not None]
        for worker in others:
            if worker.lost_at is None:
                gone = self._store.gone(worker.id)
                # Half a lease without a heartbeat of anybody means that the ledger was away.
                beating = pulse.now - pulse.pulse_at < worker.lease_ms / 2
                heard_others = beating and worker.lease_ms <= pulse.now - pulse.steady_since
                # Who has just met it away itself gives others as long to try again, though one of them was heard.
                reached = pulse.now - self._away_at > worker.lease_ms / 2
                silent = worker.as_of > worker.heard_at + worker.lease_ms and heard_others and reached
                if (gone or silent) and self._writer.write_all("lose", [Loss(worker.id, gone)], READ_PATIENCE)[0]:
                    lost.append(worker.id)
        return lost

    def _reached(self, ask: Callable[[], T]) -> T:
        """Ask, and note when the ledger was away, or let wait: a worker that is silent may have given up by then."""
        until = time.monotonic() + READ_PATIENCE
        reached = False
        try:
            answer = ask()
            reached = time.monotonic() <= until
            return answer
        finally:
            if not reached:
                self._away_at = self._store.now()
