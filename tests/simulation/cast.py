"""Who takes part in a run: processes with the library's own service in them, pages, and the broker between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from settled import waiter
from settled.engines.bench import Bench
from settled.engines.embedded import EmbeddedEngine
from settled.engines.registered import Registered
from settled.errors import LedgerUnavailable, SettledError, TaskNotFound, TaskPruned
from settled.ledger import Ledger
from settled.records import Snapshot
from settled.runner.base import Call, Function
from settled.runner.outcome import Outcome
from settled.service import Service
from settled.states import Reason
from settled.stores.postgres_direct import ABSENT
from settled.web import wire
from tests.simulation import stand_ins
from tests.simulation.disk import Folder
from tests.simulation.loop import Loop
from tests.simulation.plan import LEASE, Fault, Work
from tests.simulation.scheduler import World
from tests.simulation.store import Server, SimStore

NAMES = ("coroutine", "process")
FUNCTIONS: Mapping[str, Registered] = {
    name: Registered(Function(lambda: None, name, None, 10_000, kill_grace=0.5), name) for name in NAMES
}
PLACES = {"coroutine": 2, "thread": 2, "process": 2}
DRAIN = 1.0


class WriteTrouble:
    """What is wrong with one write."""

    __slots__ = ("lost", "slow")

    def __init__(self) -> None:
        self.lost = False
        self.slow = 0.0


class Seat:
    """A place for a process, which may die there and be started again."""

    def __init__(self, stage: Any, number: int, ahead: float, *, web: bool, runs: bool, sweeps: bool) -> None:
        self.stage = stage
        self.number = number
        self.ahead = ahead
        self.web, self.runs, self.sweeps = web, runs, sweeps
        self.folder: Folder = stage.folder if stage.plan.one_machine else Folder()
        self.steps = self.writes = 0
        self.at_step: dict[int, list[Fault]] = {}
        self.at_write: dict[int, WriteTrouble] = {}
        self.process: Process

    def start(self) -> None:
        self.process = Process(self)


class InProcess(Service):
    """The service; the last thing that it does blocks its event loop, so here it has a fiber of its own."""

    process: Process

    def let_go(self) -> None:
        process = self.process
        process.loop.held_until = float("inf")

        def work() -> None:
            super(InProcess, self).let_go()
            process.die(0.2)

        process.world.spawn(process, work)


class Process:
    """One life of a process: a ledger, its threads, an event loop with an engine."""

    reads_only = False

    def __init__(self, seat: Seat) -> None:
        stage = seat.stage
        self.seat = seat
        self.stage = stage
        stage.processes.append(self)
        self.number = seat.number
        self.world: World = stage.world
        self.server: Server = stage.server
        self.ahead = self.wall_ahead = seat.ahead
        self.folder = seat.folder
        self.dead = False
        self.leaving = False
        self.died_at = float("inf")
        self.frozen_until = 0.0
        self.cut_at = self.cut_until = 0.0
        self.trouble_until = self.world.now
        """Until when something of its own went wrong; a deploy counts, to the end of its life."""
        self.ailing_until = 0.0
        """The same, but that neither its beginning nor a deploy is anything wrong."""
        self.left_at = float("inf")
        """When it was told to end."""
        self._until_trouble()
        self.loop = Loop(self.world, self)
        self.store = SimStore(self.server, self)
        self.store.inline = stage.plan.inline
        self.ledger = Ledger(self.store, lease=LEASE)
        self.settle = self.ledger.settle
        self.ledger.settle = self._settle  # type: ignore[method-assign]
        broker = stage.broker.client() if stage.plan.engine == "remote" else None
        self.kind: type[EmbeddedEngine] | None = None
        if seat.runs:
            self.kind = Bench if broker else EmbeddedEngine
        self.service = InProcess("sim:", self.ledger, stage.functions, PLACES, DRAIN, broker)
        self.service.process = self
        if broker:
            broker.attach(self.service)
        self.keys: dict[int, Any] = {}
        """What this process knows of latest values, by the number of the task that refreshes them."""
        self.loop.call_soon(self._start)

    def _start(self) -> None:
        self.serving = self.loop.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            try:
                await self.service.serve(self.kind)
                return
            except LedgerUnavailable:
                await asyncio.sleep(1)

    def _settle(self, verdict: Any, future: Any = None) -> None:
        self.stage.referee.decided(self, verdict)
        self.settle(verdict, future)

    # -- what goes wrong

    def trouble(self) -> bool:
        seat = self.seat
        seat.steps = self._step
        going_on = True
        for fault in seat.at_step.pop(self._step, ()):
            if fault.kind in ("crash", "crash_for_good"):
                self.crash(fault.seconds if fault.kind == "crash" else None)
                return False
            if fault.kind == "leave":
                self.deploy()
                continue
            self.troubled(fault.seconds)
            if fault.kind == "freeze":
                self.stage.troubled(fault.seconds if self.server.writer is self else 0.0)
                self.frozen_until = self.world.now + fault.seconds
                going_on = False
                break
            self.cut_at = self.cut_at if self.cut_until > self.world.now else self.world.now
            self.cut_until = max(self.cut_until, self.world.now + fault.seconds)
        self._until_trouble()
        return going_on

    @property
    def missed(self) -> bool:
        """Whether a server has missed its session for so long that others may take it for dead."""
        return not self.store.inline and self.cut_at + ABSENT < self.world.now < self.cut_until

    def _until_trouble(self) -> None:
        """Count down to the next step at which something goes wrong."""
        steps = self.seat.steps
        self._step = min((step for step in self.seat.at_step if step > steps), default=1 << 60)
        self.steps_left = self._step - steps

    def troubled(self, seconds: float) -> None:
        self.ailing_until = max(self.ailing_until, self.world.now + seconds)
        self.trouble_until = max(self.trouble_until, self.ailing_until)
        self.world.happens_in(seconds, LEASE)

    def trouble_of_write(self, number: int) -> WriteTrouble | None:
        seat = self.seat
        seat.writes += 1
        trouble = seat.at_write.pop(seat.writes, None)
        if trouble is not None:
            self.troubled(trouble.slow + 1)
        return trouble

    def writes_slowly(self, seconds: float) -> None:
        """From now on; it holds the lock meanwhile."""
        self.troubled(seconds + 1)
        self.stage.troubled(seconds + 1)

    def crash(self, restart_in: float | None) -> None:
        self.ailing_until = float("inf")
        self.die(restart_in)

    def die(self, restart_in: float | None) -> None:
        if self.dead:
            return
        self.dead = True
        self.seat.steps = self._step - self.steps_left
        self.died_at = self.world.now
        self.world.happens_in(restart_in or 0.0, LEASE)
        self.server.died(self)
        self.folder.died(self)
        if restart_in is not None:
            self.stage.later(restart_in, self.seat.start)

    def deploy(self) -> None:
        """Told to end, as in a deploy; another one is started when it has."""
        if self.dead or self.leaving:
            return
        self.leaving = True
        self.left_at = self.world.now
        self.trouble_until = float("inf")
        self.ending = self.loop.create_task(self.service.end())

    # -- as a web server

    def show(self, task_id: str, hold: int) -> tuple[int, str, bytes, dict[str, str]]:
        try:
            row = self._changed(task_id, hold) if hold else self.ledger.get(task_id)
        except TaskPruned:
            return 410, "", b"", {}
        except TaskNotFound:
            return 404, "", b"", {}
        except LedgerUnavailable:
            return 503, "", b"", {"Retry-After": "1"}
        return 200, "application/json", wire.body_of(row), {"ETag": wire.etag_of(row).decode()}

    def _changed(self, task_id: str, hold: int) -> Snapshot:
        def changed() -> Coroutine[Any, Any, Snapshot]:
            return waiter.changed(self.ledger, task_id, hold, closing=lambda: self.service.closing)

        found: Snapshot = self.on_loop(changed, hold + 30)
        return found

    def on_loop(self, begin: Callable[[], Coroutine[Any, Any, Any]], seconds: float = 30.0) -> Any:
        """Have it run on the event loop, and wait for it."""
        told = stand_ins.Future()

        async def run() -> None:
            try:
                told.set_result(await begin())
            except SettledError as error:
                told.set_exception(error)

        self.loop.call_soon(lambda: self._keep(self.loop.create_task(run())))
        return told.result(seconds)

    def _keep(self, task: Any) -> None:
        self.last = task


class Isolation:
    """Runs the scripted works, on the loop of whoever makes it."""

    def __init__(self, **_: object) -> None:
        self.process: Any = stand_ins.world.host

    def start(self, call: Call, ended: Callable[[Outcome], None]) -> Running:
        return Running(self.process, call, ended)

    def close(self) -> None:
        pass


class Running:
    """One attempt's work."""

    def __init__(self, process: Process, call: Call, ended: Callable[[Outcome], None]) -> None:
        self.process = process
        self._ended = ended
        number, self._attempt = call.args[0], call.context.attempt
        works = process.stage.plan.tasks[number].works
        self._id = call.task_id
        before = process.stage.referee.keys.refreshes.get(call.task_id, 0)
        self._work: Work = works[min(before + self._attempt, len(works)) - 1]
        process.stage.referee.begun(process, call.task_id, self._attempt)
        kind = self._work.kind
        if kind in ("hang", "stubborn"):
            return
        if kind in ("hold", "grip"):
            process.loop.held_until = process.world.now + self._work.seconds
            process.ailing_until = max(process.ailing_until, process.loop.held_until)
        self._end = process.loop.call_later(self._work.seconds, self._do)

    def _do(self) -> None:
        kind = self._work.kind
        if kind == "poison":
            self.process.crash(0.2)
            return
        if kind == "raise":
            outcome = Outcome(Reason.EXCEPTION, message="It broke.", error_type="E")
        elif kind == "unstorable":
            outcome = Outcome(None, '"\ud800"')
        else:
            outcome = Outcome(None, f'"{self._id[-12:]}:{self._attempt}"')
        self.process.stage.referee.worked(self._id, self._attempt, outcome)
        self._ended(outcome)

    def give_up(self) -> None:
        patience = 0.5 if self._work.kind == "stubborn" else 0.01
        self.process.loop.call_later(patience, self._ended, Outcome(None))

    def where(self) -> str:
        return ""

    def interrupt(self) -> None:
        if self._work.kind == "hold":
            self.process.loop.break_off()
