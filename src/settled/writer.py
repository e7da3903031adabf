"""One thread through which every write of a process goes, so that writes in flight share a commit.

An fsync costs the same for one row as for a thousand. Whatever arrives while one commit is under
way makes up the next. A write is resolved only after its commit. When a commit fails:

* a row that cannot be stored is found by taking the batch apart, and fails alone;
* while the database is away, a write is kept and tried again for as long as its patience lasts:
  seconds for a submit, whose caller gets a clear error; until the process ends for a verdict, which
  the journal hands over to the next process if this one dies first.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from settled.errors import LedgerFull, LedgerUnavailable, SettledError
from settled.journal import Journal
from settled.post import Post
from settled.stores.base import Change, Store

VERBS = (
    "enlist", "insert", "insert_batch", "settle", "purge", "put", "refresh", "progress", "beat", "lose", "dismiss",
    "retain", "prune", "delete", "forget", "claim", "publish",
)  # fmt: skip
"""The order within one commit: what frees a place comes before what asks for one."""

log = logging.getLogger("settled")
READ_PATIENCE = 1.0
"""Seconds that a read waits to write down an expiry; it answers rightly without, too."""
FOREVER = float("inf")
MAX_BATCH = 2_000
RETRY_PAUSE = 0.25
STALLED = 5.0
"""Seconds in one commit after which the disk is taken to hang."""

Committed = Callable[[str, Sequence[Any], Sequence[Any], int, Post], None]
"""Told after each commit, for each verb: (verb, payloads, results, the commit's instant, what goes to loops)."""
Failed = Callable[[str, Any], None]
"""Told of each write that is given up: (verb, payload)."""
Doubted = Callable[[Sequence[Any]], None]
"""Told when tasks may have begun here of which nobody here was told; and of those (rows) for which that is certain."""
BEGIN = frozenset({"claim", "insert", "refresh"})
"""What may have a task run in this process."""


class Write:
    """One write on its way: what to do, who waits for it, and until when it is worth trying."""

    __slots__ = ("future", "give_up_at", "payload", "verb")

    def __init__(
        self, verb: str, payload: Any, future: Future[Any] | asyncio.Future[Any] | None, give_up_at: float
    ) -> None:
        self.verb = verb
        self.payload = payload
        self.future = future
        self.give_up_at = give_up_at


class Writer:
    """Group commit over one store."""

    def __init__(
        self, store: Store, journal: Journal, committed: Committed, failed: Failed,
        doubted: Doubted = lambda rows: None,
    ) -> None:  # fmt: skip
        self._store = store
        self._journal = journal
        self._committed = committed
        self._failed = failed
        self._doubted = doubted
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._kept: list[Write] = []
        self._in_flight: list[Write] = []
        self._busy_since: float | None = None
        self._stop_at = FOREVER
        self._pause = threading.Event()  # never set: it is only waited for
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    def put(
        self,
        verb: str,
        payload: Any,
        future: Future[Any] | asyncio.Future[Any] | None = None,
        patience: float = FOREVER,
    ) -> None:
        """Queue one write; returns at once."""
        self._queue.put(Write(verb, payload, future, FOREVER if patience == FOREVER else time.monotonic() + patience))
        if self._thread is None:  # looked at last: what comes in behind a close needs a thread again
            self._start()

    def write_all(self, verb: str, payloads: Sequence[Any], patience: float) -> list[Any]:
        """Write and wait, from a thread; raises what the first failing write raises."""
        futures: list[Future[Any]] = [Future() for _ in payloads]
        for payload, future in zip(payloads, futures, strict=True):
            self.put(verb, payload, future, patience)
        try:
            return [future.result(timeout=2 * patience + 1) for future in futures]
        except FutureTimeout:
            raise _stalled() from None

    def awrite(self, verb: str, payload: Any, patience: float) -> asyncio.Future[Any]:
        """Write, on an event loop; await the future."""
        future = asyncio.get_running_loop().create_future()
        self.put(verb, payload, future, patience)
        return future

    def end_stalled_waits(self) -> None:
        """Fail, for those who wait, what a disk that hangs in a commit keeps beyond its patience; from another thread.

        A commit cannot be taken back, so such a write may still arrive.
        """
        if self._busy_since is None or time.monotonic() - self._busy_since < STALLED:
            return
        queued: list[Write] = []
        going_on = self._take(queued, wait=False)
        now = time.monotonic()
        post = Post()
        for write in [*self._in_flight, *queued]:
            if write.give_up_at + STALLED < now and write.future is not None:
                _resolve(write.future, None, _stalled(), post)
                write.future = None
        for write in queued:
            self._queue.put(write)
        if not going_on:
            self._queue.put(None)
        post.send()

    def close(self, patience: float) -> None:
        """Write what is queued, for at most ``patience`` seconds, then fail the rest and end the thread."""
        with self._guard:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            self._stop_at = time.monotonic() + patience
            self._queue.put(None)
        thread.join(timeout=patience + 5)

    # -- the thread

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="settled-writer", daemon=True)
        with self._guard:
            if self._thread is None:
                self._stop_at = FOREVER
                self._thread = thread
                try:
                    thread.start()
                except BaseException:  # no thread can be started just now: the next write tries again
                    self._thread = None
                    raise

    def _run(self) -> None:
        open_for_more = True
        while open_for_more or self._kept:
            batch, self._kept = self._kept, []
            open_for_more = self._take(batch, wait=not batch) and open_for_more
            if batch:
                self._commit(batch)
            if not self._kept:
                self._journal.forget()
            if self._kept and (not open_for_more and time.monotonic() >= self._stop_at):
                closing = LedgerUnavailable("The process ended before the ledger could be written.")
                self._give_up(self._kept, closing)
                self._kept = []
                self._journal.leave()

    def _take(self, batch: list[Write], *, wait: bool) -> bool:
        """Add what is queued to the batch; False once the writer is to end."""
        most = len(batch) + MAX_BATCH  # beside any number of kept verdicts: a submit's patience must not end unseen
        while len(batch) < most:
            try:
                write = self._queue.get(block=wait)
            except Empty:
                return True
            if write is None:
                return False
            batch.append(write)
            wait = False
        return True

    def _commit(self, batch: list[Write]) -> None:
        self._in_flight, self._busy_since = batch, time.monotonic()
        try:
            self._commit_together(batch)
        except Exception as error:  # a defect in what is told of a commit; this thread must not die of it
            log.exception("The writer could not tell of a commit; it goes on")
            self._give_up(batch, _defect(error))
        finally:
            self._in_flight, self._busy_since = [], None

    def _commit_together(self, batch: list[Write]) -> None:
        groups: dict[str, list[Write]] = defaultdict(list)
        for write in batch:
            groups[write.verb].append(write)
        changes = [Change(verb, [write.payload for write in groups[verb]]) for verb in sorted(groups, key=VERBS.index)]
        try:
            now, results = self._store.write(changes)
        except LedgerUnavailable as error:
            self._keep(batch, error)
            return
        except Exception as error:  # a row that cannot be stored, or a defect: it must not stop its neighbours
            if len(batch) == 1:
                self._give_up(batch, error if isinstance(error, SettledError) else _defect(error))
                return
            half = len(batch) // 2
            self._commit_together(batch[:half])
            self._commit_together(batch[half:])
            return
        post = Post()
        for (verb, rows), found in zip(changes, results, strict=True):
            self._committed(verb, rows, found, now, post)
        for (verb, _), found in zip(changes, results, strict=True):
            for write, result in zip(groups[verb], found, strict=True):
                if write.future is not None:
                    _resolve(write.future, result, None, post)
                elif verb == "claim":  # who asked was told that the disk hangs
                    self._doubted(result)
        post.send()

    def _keep(self, batch: list[Write], error: LedgerUnavailable) -> None:
        """Fail the writes whose patience is over, keep the others for another try after a pause."""
        if any(write.verb in BEGIN for write in batch):  # it may be written all the same, and its answer lost
            self._doubted(())
        now, full = time.monotonic(), isinstance(error, LedgerFull)
        hopeless: list[Write] = []
        for write in batch:
            patient = write.give_up_at == FOREVER or (write.give_up_at > now and not full)
            (self._kept if patient else hopeless).append(write)
        self._journal.keep([w.payload for w in self._kept if w.verb == "settle" and w.give_up_at == FOREVER])
        self._give_up(hopeless, error)
        if self._kept:
            self._pause.wait(RETRY_PAUSE)

    def _give_up(self, writes: Sequence[Write], error: SettledError) -> None:
        for write in writes:
            try:
                self._failed(write.verb, write.payload)
            except Exception:
                log.exception("The writer could not tell of a write that it gave up; it goes on")
        post = Post()
        for write in writes:
            if write.future is not None:
                _resolve(write.future, None, error, post)
        post.send()


def _stalled() -> LedgerUnavailable:
    return LedgerUnavailable("The disk of the ledger does not answer: the write is under way and may still arrive.")


def _defect(error: Exception) -> SettledError:
    failure = SettledError(f"The write failed in a way that it should not: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def _resolve(future: Future[Any] | asyncio.Future[Any], result: Any, error: BaseException | None, post: Post) -> None:
    """Tell whoever waits."""
    if isinstance(future, asyncio.Future):
        post.add(future.get_loop(), _answer, (future, result, error))
        return
    with suppress(InvalidStateError):  # told already that the disk hangs
        future.set_result(result) if error is None else future.set_exception(error)


def _answer(answer: tuple[asyncio.Future[Any], Any, BaseException | None]) -> None:
    future, result, error = answer
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
