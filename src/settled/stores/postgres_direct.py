"""Tells of the death of other processes by session advisory locks, and passes hints between those that live.

One session for each process, from a thread of its own. It holds a lock for each worker of the process,
which the server drops with the session; looks a few times a second which recorded locks nobody holds; and
listens. An absent lock is a death only if all of this holds, so that nobody is buried alive:

* it was taken under the present start of the server: a restart drops all locks, and until a worker has
  taken its lock anew only its lease decides;
* it has been seen absent for ``ABSENT`` seconds on end, over one session of ours: whose session alone was
  cut takes the lock anew within that time, and what cuts all sessions cuts ours too.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

import psycopg

from settled.descriptors import readable
from settled.errors import LedgerUnavailable
from settled.stores.postgres_errors import translate
from settled.stores.postgres_line import Connection, Line
from settled.stores.postgres_open import Place

log = logging.getLogger("settled")
LOOK = 0.25
"""Seconds between two looks at the locks."""
SHARE = 0.01
"""Seconds that are added to that for each process: a crowd looks a hundred times a second, whatever its size."""
ABSENT = 0.75
RETRY = 0.2
HINT = 0.02
"""Seconds between two hints, in the long run: one is as good as many."""
AT_ONCE = 3
"""Hints that may follow each other at once: a lone task's claim must not hold up the word of its end."""
PATIENCE = 5.0
"""Seconds that a worker waits for its lock."""


class Direct:
    """The session of one process that must be its own."""

    def __init__(self, place: Place, line: Line, sql: dict[str, str]) -> None:
        self._place = place
        self._line = line
        self._sql = sql
        self._presence = self._key("")
        self._channel = f"settled_{self._presence & 0xFFFFFFFFFFFFFFFF:016x}"
        self._held: set[str] = set()
        self._orders: SimpleQueue[_Order] = SimpleQueue()
        self._absent: dict[str, float] = {}
        self._dead: frozenset[str] = frozenset()
        self._hint: Callable[[], None] = lambda: None
        self._others = 0  # that listen
        self._news = False
        self._tell_at = 0.0
        self._session: Connection | None = None
        self._server = ""
        self._looked = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._wake: tuple[int, int] | None = None

    @property
    def pause(self) -> float:
        """Seconds between two looks at the ledger that this process may take as its share."""
        return SHARE * self._others

    def hold(self, worker: str) -> None:
        """Take the worker's lock, and again whenever the session was lost; raise ``LedgerUnavailable`` if it cannot."""
        self._order(lambda session: self._hold(session, worker))

    def release(self, worker: str) -> None:
        """Drop the lock if it is ours, and its record; harmless while the database is away."""
        try:
            self._order(lambda session: self._drop(session, worker))
        except LedgerUnavailable:
            self._held.discard(worker)  # the record is left over; without a worker's row nobody asks for it

    def gone(self, worker: str) -> bool:
        """Whether the worker's process is certainly dead, as far as the last look can tell; asks nobody."""
        self._start()
        return worker in self._dead

    def listen(self, hint: Callable[[], None]) -> None:
        """Call back, on this thread, when another process has written, or when one has died."""
        self._hint = hint
        self._start()

    def tell(self) -> None:
        """Let the others know that something was written, if there are any."""
        if self._others and not self._news:
            self._news = True
            self._rouse()

    def stop(self) -> None:
        """End the thread; the session ends with its line."""
        with self._guard:
            thread, self._thread = self._thread, None
        self._stopping.set()
        self._rouse()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=PATIENCE)

    # -- the thread

    def _start(self) -> None:
        if self._thread is not None:
            return
        with self._guard:
            if self._thread is None:
                self._stopping = threading.Event()
                self._dead, self._absent, self._session = frozenset(), {}, None
                try:
                    self._thread = self._begun(_pipe())
                except (OSError, RuntimeError) as error:  # no descriptor is left, or no thread
                    log.warning("The watch over other processes cannot begin, and is tried again: %s", error)

    def _begun(self, wake: tuple[int, int]) -> threading.Thread:
        thread = threading.Thread(target=self._run, args=(self._stopping, wake), name="settled-direct", daemon=True)
        try:
            thread.start()
        except BaseException:
            _close(wake)
            raise
        return thread

    def _run(self, stopping: threading.Event, wake: tuple[int, int]) -> None:
        self._wake = wake
        try:
            while not stopping.is_set():
                try:
                    with self._line.use() as session:
                        self._serve(session, stopping)
                except (LedgerUnavailable, psycopg.Error, OSError):
                    self._session, self._others = None, 0
                    self._absent, self._dead = {}, frozenset()
                    self._refuse_orders()
                    stopping.wait(RETRY)
                except Exception:
                    log.exception("The watch over other processes failed; it goes on")
                    stopping.wait(1.0)
        finally:
            if self._wake is wake:  # else the next thread has begun
                self._wake = None
            _close(wake)

    def _serve(self, session: Connection, stopping: threading.Event) -> None:
        """Look, listen and take orders on one session until it breaks."""
        assert self._wake is not None
        if session is not self._session:
            self._begin(session)
        look_at = 0.0
        while not stopping.is_set():
            now = time.monotonic()
            if now >= look_at:
                self._look(session, now)
                look_at = now + max(LOOK, self.pause)
            self._take_orders(session)
            if self._news and now >= self._tell_at:
                self._news = False
                self._tell_at = max(self._tell_at, now - (AT_ONCE - 1) * HINT) + HINT
                session.execute(f"NOTIFY {self._channel}")
            until = min(look_at, self._tell_at) if self._news else look_at
            ready = readable((session.fileno(), self._wake[0]), until - time.monotonic())
            if self._wake[0] in ready:
                os.read(self._wake[0], 4096)
            if session.fileno() in ready:
                others = [note for note in session.notifies(timeout=0) if note.pid != session.info.backend_pid]
                if others:
                    self._hint()

    def _begin(self, session: Connection) -> None:
        """Take everything anew on a new session."""
        self._absent, self._dead = {}, frozenset()
        found = session.execute(self._sql["server"]).fetchone()
        self._server = str(found[0]) if found else ""
        for worker in list(self._held):
            self._take(session, worker)
        session.execute("SELECT pg_advisory_lock_shared(%s)", (self._presence,))
        session.execute(f"LISTEN {self._channel}")
        self._session = session
        self._hint()  # whatever was said meanwhile has been missed

    def _look(self, session: Connection, now: float) -> None:
        unheld = [row[0] for row in session.execute(self._sql["unheld"], {"server": self._server})]
        self._absent = {worker: self._absent.get(worker, now) for worker in unheld if worker not in self._held}
        dead = frozenset(worker for worker, since in self._absent.items() if now - since >= ABSENT)
        new, self._dead = dead - self._dead, dead
        found = session.execute(self._sql["listeners"], {"key": self._presence}).fetchone()
        self._others = found[0] if found else 0
        if new:
            self._hint()
        self._looked.set()

    def _take(self, session: Connection, worker: str) -> None:
        session.execute(self._sql["hold"], {"worker": worker, "key": self._key(worker), "server": self._server})

    def _hold(self, session: Connection, worker: str) -> None:
        self._take(session, worker)
        self._held.add(worker)  # from now on it is taken anew whenever the session was lost

    def _drop(self, session: Connection, worker: str) -> None:
        mine = worker in self._held
        self._held.discard(worker)
        session.execute(self._sql["release"], {"worker": worker})
        self._absent.pop(worker, None)
        self._dead -= {worker}
        if mine:
            session.execute(self._sql["unlock"], {"key": self._key(worker)})

    # -- orders from other threads

    def _order(self, act: Callable[[Connection], None]) -> None:
        self._start()
        order = _Order(act)
        self._orders.put(order)
        self._rouse()
        if not order.done.wait(PATIENCE):
            order.given_up = True
            raise LedgerUnavailable(f"The ledger {self._place.shown} does not answer.")
        if order.error is not None:
            raise order.error

    def _take_orders(self, session: Connection) -> None:
        while True:
            try:
                order = self._orders.get_nowait()
            except Empty:
                return
            if order.given_up:
                continue
            try:
                with translate(self._place.shown):
                    order.act(session)
            except Exception as error:
                order.error = error
            order.done.set()

    def _refuse_orders(self) -> None:
        away = LedgerUnavailable(f"The ledger {self._place.shown} cannot be reached.")
        while True:
            try:
                order = self._orders.get_nowait()
            except Empty:
                return
            order.error = away
            order.done.set()

    def _rouse(self) -> None:
        wake = self._wake
        if wake is not None:
            try:
                os.write(wake[1], b"!")
            except OSError:
                pass  # full: it is awake; closed: it has ended

    def _key(self, worker: str) -> int:
        digest = hashlib.sha256(f"settled {self._place.schema} {worker}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


def _pipe() -> tuple[int, int]:
    ends = os.pipe()  # closed on exec, as all that Python opens
    for end in ends:
        os.set_blocking(end, False)
    return ends


def _close(ends: tuple[int, int]) -> None:
    for end in ends:
        os.close(end)


class _Order:
    """What another thread asks this one to do on its session."""

    __slots__ = ("act", "done", "error", "given_up")

    def __init__(self, act: Callable[[Connection], None]) -> None:
        self.act = act
        self.done = threading.Event()
        self.error: Exception | None = None
        self.given_up = False
