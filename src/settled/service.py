"""The life of a ledger in one process: opened on first use, served by a few threads and an engine, let go in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import closing, contextmanager, suppress
from types import FrameType

from settled import at_end
from settled.engines.base import RemoteEngine
from settled.engines.bench import Bench
from settled.engines.embedded import EmbeddedEngine
from settled.engines.registered import Registered
from settled.errors import LedgerUnavailable
from settled.follower import follower
from settled.heartbeat import heartbeat
from settled.ledger import Ledger
from settled.periodic import Periodic
from settled.publisher import Publisher
from settled.runner.coroutine import Broken
from settled.states import Reason
from settled.sweeper import sweeper

log = logging.getLogger("settled")
START_SECONDS = 30.0
STOP_SECONDS = 8.0
"""Beyond the drain, what a script waits for its background loop when it ends."""


class Service:
    """Opens the ledger, keeps this process's heartbeat, sweeps, follows other processes, and runs the engine."""

    def __init__(
        self, url: str, ledger: Ledger, functions: Mapping[str, Registered], places: Mapping[str, int], drain: float,
        remote: RemoteEngine | None = None,
    ) -> None:  # fmt: skip
        self.url = url
        self.ledger = ledger
        self.remote = remote
        self.drain_seconds = drain
        self.closing = False
        self.adopted: Collection[str] = ()
        """Names that this process runs otherwise than through an engine of ours."""
        self.engine: EmbeddedEngine | None = None
        self._functions = functions
        self._places = places
        self._threads: list[Periodic] = []
        self._pid: int | None = None
        self._enlisted = False
        self._guard = threading.RLock()
        self._beginning = threading.Lock()
        self._publisher: Publisher | None = None
        self._background: _Background | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the ledger is open in this process."""
        return self._pid == os.getpid()

    def ready(self) -> None:
        """Open the ledger in this process, once; sweep it and follow it from then on."""
        if self._pid == os.getpid():
            return
        with self._guard:
            if self._pid == os.getpid():
                return
            if self._pid is not None:
                raise LedgerUnavailable(
                    "The ledger was opened before this process was forked, and a connection cannot be shared so. "
                    "Open it after the fork: start Tasks in the worker's own lifespan."
                )
            self.ledger.open()
            self.closing = False
            following = follower(self.ledger)
            self._begin(sweeper(self.ledger), following)
            self.ledger.store.listen(lambda: self._look(following))
            if self.remote is not None and self.remote.publishes:
                self._publisher = Publisher(self.ledger, self.remote, self._functions)
                self._publisher.start()
                at_end.register(self.stop)  # a script that submits and ends: what is queued is published
            self._pid = os.getpid()

    def enlist(self, engine: str | None = None, *, run_tasks: bool = True) -> None:
        """Give this process a worker's row and a heartbeat, once; one that only answers knows no task function.

        ``engine``: what brings tasks to it, if anything does.
        """
        self.ready()
        with self._guard:
            if self._enlisted:
                return
            try:
                names = {*self._functions, *self.adopted} if run_tasks else ()
                apart = [name for name, found in self._functions.items() if found.isolation == "process"]
                self.ledger.membership.enlist(sorted(names), engine, sorted({*apart} & {*names}))
            except LedgerUnavailable as error:  # it can be read: answer already, and let the heartbeat try again
                log.warning("No task runs here until the ledger can be written: %s", error)
            self._begin(heartbeat(self.ledger))
            self._enlisted = True

    async def serve(self, kind: type[EmbeddedEngine] | None = EmbeddedEngine) -> None:
        """Open, enlist and, with a kind of engine, run tasks on the running loop."""
        brings = "embedded" if kind is not None else None
        if kind is Bench:
            brings = None if self.remote is None else self.remote.name
        await asyncio.to_thread(lambda: self.enlist(brings, run_tasks=kind is not None))
        self.ledger.loops.add(asyncio.get_running_loop())
        with self._guard:
            if kind is not None and self.engine is None:
                engine = kind(self.ledger, self._functions, self._places)
                engine.start()
                self.engine = engine

    def begin_closing(self) -> None:
        """Take no more work and answer every long poll at once; from the loop's thread."""
        self.closing = True
        if self.engine is not None:
            self.engine.drain()
        self.ledger.bell.ring_all()

    async def end(self) -> None:
        """Drain, settle or hand back what is left, and let go of the ledger; it may be opened again."""
        self.begin_closing()
        self.ledger.loops.discard(asyncio.get_running_loop())
        if self._background is not None:  # a submit before the app began, or a pool of threads, has a loop of its own
            await asyncio.to_thread(self.stop)
            return
        engine, self.engine = self.engine, None
        if engine is not None:
            await engine.stop(self.drain_seconds)
        self.let_go()
        self.closing = False

    def let_go(self) -> None:
        """Stop the threads, give the worker's row back and close."""
        with self._guard:
            publisher, self._publisher = self._publisher, None
            if publisher is not None:
                publisher.stop(patience=2.0)
                at_end.unregister(self.stop)
            for thread in self._threads:
                thread.stop(patience=2.0)
            self._threads.clear()
            self._enlisted = False
            if self._pid is None:
                return
            try:
                self.ledger.membership.dismiss()
                self.ledger.expire()
            except LedgerUnavailable:
                pass  # the lock is dropped with the process; whoever looks next settles what is left
            self.ledger.close()
            self._pid = None

    # -- for scripts, which have no event loop of their own

    def start(self, kind: type[EmbeddedEngine] = EmbeddedEngine) -> None:
        """Run the engine on a loop in a background thread, until the script ends."""
        with self._guard:
            if self.engine is not None or self._background is not None:
                return
            background = self._background = _Background()
        try:
            asyncio.run_coroutine_threadsafe(self.serve(kind), background.loop).result(timeout=START_SECONDS)
        except BaseException:
            self._background = None
            background.end()
            raise
        at_end.register(self.stop)

    def stop(self) -> None:
        """End what ``start`` or ``begin`` began; harmless when nothing runs, and in a child whose parent goes on."""
        if self._pid not in (None, os.getpid()):
            return
        with self._guard:
            background, self._background = self._background, None
        at_end.unregister(self.stop)
        if background is None:
            self._leave_a_closed_loop()
            self.let_go()
            return
        engine = self.engine  # which ``end`` takes away, and may not come to the end of
        ending = asyncio.run_coroutine_threadsafe(self.end(), background.loop)
        try:
            ending.result(timeout=self.drain_seconds + STOP_SECONDS)
        except FutureTimeout:  # a task holds the loop in a call that cannot be broken: its row is settled as lost
            ending.cancel()
            if engine is not None:
                engine.abandon()
            self.engine = None
            self.let_go()
        finally:
            background.end()
            self.closing = False

    # -- for the workers of another engine (engines.base.Home)

    def begin(self) -> None:
        """Open the ledger and be a worker, with a loop in a background thread."""
        self.ready()
        with self._beginning:
            self._leave_a_closed_loop()
            if self.engine is None:
                self.start(Bench)

    def carry(self, task_id: str) -> None:
        """Run the task on the bench of this process; returns when its work has left."""
        self.begin()
        assert isinstance(self.engine, Bench)
        self.engine.carry(task_id)

    async def abegin(self) -> None:
        """Open the ledger and be a worker, on the running loop; ``end`` ends it."""
        self._leave_a_closed_loop()
        await self.serve(Bench)
        at_end.register(self.stop)  # the engine may end its loop without a word

    async def acarry(self, task_id: str) -> None:
        """The same as ``carry``, on an event loop: that of the bench, if nothing has begun elsewhere yet."""
        bench = self.engine
        if bench is None or (isinstance(bench, Bench) and bench.loop.is_closed()):
            await self.abegin()
            bench = self.engine
        assert isinstance(bench, Bench)
        if bench.loop is asyncio.get_running_loop():
            await bench.acarry(task_id)
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(bench.acarry(task_id), bench.loop))

    def give_up(self, task_id: str, reason: Reason, message: str) -> None:
        """End the attempt at a task that is carried here."""
        bench = self.engine
        if isinstance(bench, Bench):
            bench.on_loop(bench.give_up, task_id, reason, message)

    def refuse(self, task_id: str, why: str) -> None:
        """Settle a task that the engine will never carry."""
        self.ledger.refuse(task_id, why)

    @contextmanager
    def hearing_signals(self) -> Iterator[None]:
        """Begin to close as soon as the process is told to end, not only after the server's last connection."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def hear(number: int, frame: FrameType | None) -> None:
            with suppress(RuntimeError):  # it is closed: one who began to hear after us has ended after us, too
                loop.call_soon_threadsafe(self.begin_closing)
            handler = before[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            elif handler is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)

        for number in before:
            signal.signal(number, hear)
        try:
            yield
        finally:
            for number, handler in before.items():
                if signal.getsignal(number) is hear:
                    signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _look(self, following: Periodic) -> None:
        """Another process has written something: see to it sooner than at the next tick."""
        following.wake()
        engine = self.engine
        if engine is not None:
            engine.look()

    def _leave_a_closed_loop(self) -> None:
        """An engine that ran on a loop of other people's is of no more use once that has ended."""
        bench = self.engine
        if isinstance(bench, Bench) and bench.loop.is_closed():
            bench.leave()
            self.ledger.loops.discard(bench.loop)
            self.engine = None

    def _begin(self, *threads: Periodic) -> None:
        for thread in threads:
            self._threads.append(thread)
            thread.start()


class _Background:
    """An event loop in a thread of its own, that goes on until it is ended, whatever the tasks on it do."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settled-loop", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop the loop, at once or as soon as what holds it lets it go."""
        self._ended.set()
        with suppress(RuntimeError):  # it has closed already: a task function had stopped it
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        with closing(self.loop):  # here, for nobody waits any more for one that is held
            while not self._ended.is_set():
                self._go_on()
            self.loop.stop()  # after one turn more, in which what was cancelled ends
            self._go_on()

    def _go_on(self) -> None:
        try:
            self.loop.run_forever()  # a task function may stop it
        except Broken:
            pass  # it was meant for a task function that held the loop, and came too late
        except BaseException as error:  # e.g. SystemExit in an asyncio task of a task function's own
            log.warning("An asyncio task of a task function raised %r; the loop goes on", error)
