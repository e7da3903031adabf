"""The embedded engine: runs tasks in this process, on the event loop, in threads or in processes.

A task submitted here while a place is free is born claimed, so that its life takes two writes.
Everything else (a backlog, another process's submits, further attempts) is found by looking for
due rows a few times a second, and is taken by ``ledger.claim``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from settled.commits import Inserted, begun_here
from settled.ear import Ear
from settled.engines.fence import Fence
from settled.engines.places import Places
from settled.engines.registered import Registered
from settled.errors import LedgerUnavailable
from settled.ledger import Ledger
from settled.periodic import Periodic
from settled.post import Post
from settled.records import NewTask, Snapshot, Verdict
from settled.runner.attempt import Attempt
from settled.runner.base import Isolation
from settled.runner.coroutine import CoroutineIsolation
from settled.runner.outcome import Outcome, raised
from settled.runner.process import ProcessIsolation
from settled.runner.thread import ThreadIsolation
from settled.runner.together import Together
from settled.states import Reason
from settled.stores.base import Progress

log = logging.getLogger("settled")
TICK = 0.1
"""Seconds between two looks for due tasks, and for attempts that are not ours any more."""
STUCK = 0.1
"""Seconds past its timeout after which an attempt is taken to block its event loop."""
STOPPING = 1.0
"""Seconds beyond the kill grace that given-up work gets to end before the engine closes."""


class EmbeddedEngine:
    """Runs the registered functions' tasks on the loop that starts it."""

    def __init__(self, ledger: Ledger, functions: Mapping[str, Registered], places: Mapping[str, int]) -> None:
        self._ledger = ledger
        self._fence = Fence(ledger)
        self._functions = functions
        self._places = Places(places)
        self._isolations: dict[str, Isolation] = {
            "coroutine": CoroutineIsolation(),
            "thread": ThreadIsolation(),
            "process": ProcessIsolation(draining=lambda: not self._accepting, lease=ledger.membership.lease),
        }
        self._attempts: dict[tuple[str, int], Attempt] = {}
        self._progress: dict[Attempt, Progress] = {}
        self._accepting = False
        self._over = False
        """Whether nothing may begin any more, as what had been claimed when the engine ended."""
        self._claims: set[asyncio.Future[list[Snapshot]]] = set()
        self._version = -1
        self._lanes_first = False
        self._due_in = TICK  # seconds until the next task is known to become due
        self._watchdog = Periodic("settled-watchdog", self._watch)
        self._loop: asyncio.AbstractEventLoop
        self._wake: Ear
        self._idle: Ear

    # -- life

    def start(self) -> None:
        """Begin to take work, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._wake = Ear("", self._loop)
        self._idle = Ear("", self._loop)
        self._accepting, self._over = True, False
        self._ledger.commits.inserted = self.inserted
        self._ledger.commits.not_inserted = self.not_inserted
        self._ledger.commits.lane_freed = lambda post: post.add(self._loop, Ear.ring, self._wake)
        self._looking = self._loop.create_task(self._look_for_work(), name="settled-engine")
        self._watchdog.start()

    def drain(self) -> None:
        """Take no more work; what runs goes on. Safe to call from a signal handler."""
        self._accepting = False

    async def stop(self, grace: float) -> None:
        """Let what runs finish for ``grace`` seconds, then end it as interrupted, or hand it back."""
        self.drain()
        await self._until_idle(grace, lambda: not (self._attempts or self._expects()))
        self._over = True
        for attempt in list(self._attempts.values()):
            attempt.give_up(
                Reason.INTERRUPTED,
                f"The worker was shut down, as in a deploy, and the task did not finish within the {grace:g} s left.",
            )
        grace = STOPPING + max((f.function.kill_grace for f in self._functions.values()), default=0.0)
        await self._until_idle(grace, lambda: not self._attempts)
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)
        if self._claims:  # what they bring is handed back
            await asyncio.wait(self._claims, timeout=STOPPING)
            await asyncio.sleep(0)
        self._watchdog.stop(patience=0)
        for isolation in self._isolations.values():
            isolation.close()

    def abandon(self) -> None:
        """End what runs in processes, and wait for that; from any thread, for its loop is held for good, or closed."""
        self.drain()
        self._over = True
        for attempt in list(self._attempts.values()):
            if self._functions[attempt.row.name].isolation == "process":
                attempt.give_up(Reason.INTERRUPTED, "The worker ended while something held its event loop.")
        self._isolations["process"].close()
        self._watchdog.stop(patience=0)
        self.on_loop(self._looking.cancel)  # if it ever goes on

    # -- the engine's side of a submit; from any thread

    def before_insert(self, new: NewTask) -> NewTask:
        registered = self._functions.get(new.name)
        worker = self._ledger.worker
        if registered is None or worker is None or not self._accepting or registered.isolation in self._places.wanted:
            return new
        if new.lane is not None or registered.function.group or self._fence.lapsing(registered):
            return new  # whether its lane has room, and what it is run together with, is decided by a claim
        taken = self._places.take(registered.isolation, for_submit=True)
        return NewTask(*new[:-1], worker) if taken else new

    def inserted(self, rows: Sequence[Inserted], post: Post) -> None:
        launch = [row for new, (row, created) in rows if created and begun_here(new, row)]
        if launch:
            post.add(self._loop, self._launch_soon, launch)
        if len(launch) < len(rows):
            post.add(self._loop, Ear.ring, self._wake)
            for new, (row, created) in rows:
                if not (created and begun_here(new, row)):  # it existed, or this worker was given up on meanwhile
                    self.not_inserted(new)

    def not_inserted(self, new: NewTask) -> None:
        if new.worker is not None:
            self.on_loop(self._not_born, self._functions[new.name].isolation)

    def look(self) -> None:
        """Look for work now, for another process may have brought some; from any thread."""
        self.on_loop(self._wake.ring)

    # -- what an attempt needs (attempt.Desk)

    def settle(self, verdict: Verdict) -> None:
        self._ledger.settle(verdict)

    def now(self) -> int:
        return self._ledger.store.now()

    def report(self, attempt: Attempt, fraction: float | None, message: str) -> None:
        self._progress[attempt] = Progress(attempt.row.id, attempt.row.attempt, fraction, message)

    def left(self, attempt: Attempt) -> None:
        self._attempts.pop((attempt.row.id, attempt.row.attempt), None)
        self._progress.pop(attempt, None)
        registered = self._functions[attempt.row.name]
        if not registered.function.group:  # else its place is free when the whole call is over
            self._free_place(registered.isolation)
        self._idle.ring()

    # -- the inside, on the loop

    def on_loop(self, call: Callable[..., object], *args: object) -> None:
        """Have it called on the loop; from any thread."""
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            pass  # the loop is closed; the worker's end settles what it had claimed

    def _launch_soon(self, rows: Sequence[Snapshot]) -> None:
        """Launch when those who submitted have heard so, and listen: who comes too late for the end must read it."""
        self._loop.call_soon(self._launch_born, rows)

    def _launch_born(self, rows: Sequence[Snapshot]) -> None:
        try:
            self._launch_all(rows)
        finally:  # else a drain would wait for them in vain
            self._arrived(len(rows))

    def _not_born(self, isolation: str) -> None:
        self._free_place(isolation)
        self._arrived(1)

    def _arrived(self, count: int) -> None:
        """So many that were expected are not any more."""
        self._places.arrived(count)
        self._idle.ring()

    def _launch_all(self, rows: Sequence[Snapshot]) -> None:
        for row in rows:
            self._launch(row)

    def _launch(self, row: Snapshot) -> None:
        attempt = Attempt(row, self)
        self._attempts[row.id, row.attempt] = attempt
        registered = self._functions[row.name]
        barred = self._barred(row)
        if barred is not None:
            attempt.fail(barred)
            return
        try:
            attempt.start(registered.function, self._isolations[registered.isolation])
        except Exception as error:  # e.g. no thread can be started
            attempt.fail(raised(error))

    def _launch_together(self, rows: Sequence[Snapshot]) -> None:
        """One call for all of these."""
        registered = self._functions[rows[0].name]
        isolation = self._isolations[registered.isolation]
        together = Together(isolation, partial(self._free_place, registered.isolation))
        for row in rows:
            attempt = self._attempts[row.id, row.attempt] = Attempt(row, self)
            attempt.together = together
            barred = self._barred(row)
            if barred is not None:
                attempt.fail(barred)
                continue
            try:
                attempt.start(registered.function, together)
            except Exception as error:
                attempt.fail(raised(error))
        try:
            together.begin()
        except Exception as error:  # e.g. no thread can be started
            together.fail(raised(error))

    def _free_place(self, isolation: str) -> None:
        self._places.give_back(isolation)
        if isolation in self._places.wanted:
            self._wake.ring()

    def _expects(self) -> bool:
        """Whether something may begin here yet, though nothing new is taken."""
        return bool(self._claims or self._places.expected)

    async def _until_idle(self, seconds: float, idle: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while not idle() and (left := until - time.monotonic()) > 0:
            self._idle.forget()
            await self._idle.await_(left)

    async def _look_for_work(self) -> None:
        looked_at = 0.0
        while True:
            rung = await self._wake.await_(min(TICK, self._due_in))
            self._due_in = TICK
            self._wake.forget()
            try:
                self._end_what_is_overdue()
                self._write_progress()
                now = time.monotonic()
                if not rung and now - looked_at < self._ledger.store.pause:
                    continue
                looked_at = now
                await self._disown_what_is_not_ours()
                if self._accepting:
                    await self._claim()
            except LedgerUnavailable:
                await asyncio.sleep(1)  # the sweeper says so in the log
            except Exception:
                log.exception("The engine failed to look for work; it goes on")
                await asyncio.sleep(1)

    def _write_progress(self) -> None:
        if self._progress:
            progress, self._progress = self._progress, {}
            for step in list(progress.values()):  # a thread may be about to add to it
                self._ledger.record_progress(step)

    def _end_what_is_overdue(self) -> None:
        now = time.monotonic()
        for attempt in list(self._attempts.values()):
            attempt.end_if_overdue(now)

    async def _disown_what_is_not_ours(self) -> None:
        """Stop attempts whose row was cancelled, expired or given to another; only if anything was written at all."""
        store = self._ledger.store
        if not self._attempts or (version := store.version()) == self._version:
            return
        self._version = version
        for key in await self._ledger.aread(store.not_running, list(self._attempts)):
            attempt = self._attempts.get(key)
            if attempt is not None and not attempt.decided:
                attempt.disown()
                self._ledger.commits.disown(attempt.row.id)

    async def _claim(self) -> None:
        names: dict[tuple[str, str], list[str]] = {}
        for name, registered in self._functions.items():
            if self._places.free(registered.isolation) > 0 and not self._fence.lapsing(registered):
                alone = name if registered.function.group else ""
                names.setdefault((registered.isolation, alone), []).append(name)
        worker = self._ledger.worker
        if worker is None:
            return
        await self._begin_untold(worker)
        for (isolation, grouped), known in names.items():
            free, lanes = await self._ledger.due_in(known)
            if grouped and free is not None:
                free += self._functions[grouped].batch_wait
            elif free is None or free > 0:
                self._places.wanted.discard(isolation)
            ways = [(free, False), (lanes, True)]
            self._lanes_first = not self._lanes_first  # neither may keep the other from every place
            for due_in, in_lanes in reversed(ways) if self._lanes_first else ways:
                if due_in is not None and due_in <= 0:
                    await self._claim_some(worker, isolation, known, in_lanes)
                elif due_in is not None:
                    self._due_in = min(self._due_in, due_in)

    async def _begin_untold(self, worker: str) -> None:
        """Begin what was claimed for this worker though the answer was lost; without a place, at a later look."""
        rows = await self._ledger.auntold(worker) if self._ledger.commits.doubtful else []
        for name, registered in self._functions.items():
            mine = [row for row in rows if row.name == name]
            size = registered.function.group
            for call in calls_of(mine, size or 1):
                if not self._places.take(registered.isolation):
                    self._ledger.commits.doubtful = True
                    break
                for row in call:
                    self._ledger.commits.own(row)
                self._launch_together(call) if size else self._launch_all(call)
            if mine and self._places.free(registered.isolation) <= 0:
                self._places.wanted.add(registered.isolation)  # as a claim that took all places: others may wait

    async def _claim_some(self, worker: str, isolation: str, known: list[str], in_lanes: bool) -> None:
        asked = self._places.take_all(isolation) if self._accepting else 0  # it may have been told to drain just now
        if not asked:
            return
        size = self._functions[known[0]].function.group
        claim = self._ledger.aclaim(worker, known, asked * (size or 1), lanes=in_lanes)
        told = partial(self._claimed_together, size) if size else partial(self._claimed, in_lanes)
        claim.add_done_callback(partial(told, isolation, asked))
        self._awaited(claim)
        await asyncio.wait([claim])  # a task function may cancel this look, but not what is being claimed
        claim.result()

    def _claimed(self, in_lanes: bool, isolation: str, asked: int, claim: asyncio.Future[list[Snapshot]]) -> None:
        rows = [] if claim.exception() else claim.result()
        self._places.give_back(isolation, asked - len(rows))
        if len(rows) == asked:
            self._places.wanted.add(isolation)
        elif not in_lanes:
            self._places.wanted.discard(isolation)
        self._launch_all(rows)

    def _awaited(self, claim: asyncio.Future[list[Snapshot]]) -> asyncio.Future[list[Snapshot]]:
        """A claim whose rows begin here as soon as it is answered."""
        self._claims.add(claim)
        claim.add_done_callback(self._claim_is_over)
        return claim

    def _claim_is_over(self, claim: asyncio.Future[list[Snapshot]]) -> None:
        self._claims.discard(claim)
        self._idle.ring()

    def _claimed_together(self, size: int, isolation: str, asked: int, claim: asyncio.Future[list[Snapshot]]) -> None:
        calls = [] if claim.exception() else calls_of(claim.result(), size)
        self._places.give_back(isolation, asked - len(calls))
        for rows in calls:
            self._launch_together(rows)

    def _barred(self, row: Snapshot) -> Outcome | None:
        """How an attempt ends that was claimed for this worker and may not begin; None if it may."""
        if self._over:
            return Outcome(Reason.INTERRUPTED, message="The worker was shut down as the task was about to begin.")
        why = self._fence.why_not(row, self._functions[row.name])
        return None if why is None else Outcome(Reason.WORKER_LOST, message=why)

    def _look_on(self) -> None:
        if self._looking.done():
            self._looking = self._loop.create_task(self._look_for_work(), name="settled-engine")

    def _watch(self) -> float:
        if self._accepting and self._looking.done():  # a task function has cancelled all that runs on its loop
            self.on_loop(self._look_on)
        leased = not self._over and not self._ledger.store.inline and self._ledger.worker is not None
        for attempt in list(self._attempts.values()):
            attempt.break_if_stuck(STUCK)
            if not leased or attempt.decided:
                continue
            why = self._fence.why_not(attempt.row, self._functions[attempt.row.name])
            if why is not None:
                attempt.give_up(Reason.WORKER_LOST, why)
        return TICK / 2 if self._attempts else TICK  # well before the sweeper, which cannot say where it stuck


def calls_of(rows: Sequence[Snapshot], size: int) -> list[list[Snapshot]]:
    """The rows of each call: ``size`` at most, and with one timeout."""
    alike: dict[int, list[Snapshot]] = {}
    for row in rows:
        alike.setdefault(row.timeout_ms, []).append(row)
    return [some[start : start + size] for some in alike.values() for start in range(0, len(some), size)]
