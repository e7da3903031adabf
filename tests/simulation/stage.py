"""One run: the plan, put on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from settled import waiter
from settled.errors import KeyConflict, SettledError
from tests.simulation import stand_ins
from tests.simulation.batching import submit_batch
from tests.simulation.cast import FUNCTIONS, Isolation, Process, Seat, WriteTrouble
from tests.simulation.database import Database
from tests.simulation.disk import JOURNAL, Folder
from tests.simulation.looking import look_at
from tests.simulation.outside import (
    Broker,
    Lost,
    Network,
    Outsider,
    Page,
    cancel,
    ending_of_thread,
    new_task,
    submit,
)
from tests.simulation.pace import PACE
from tests.simulation.plan import LEASE, Fault, Plan, Task
from tests.simulation.referee import Referee, Waiter
from tests.simulation.scheduler import World
from tests.simulation.store import Server

PUBLISH_AFTER_MS = 1_500
ISOLATIONS = {
    "engines.embedded": dict.fromkeys(("CoroutineIsolation", "ThreadIsolation", "ProcessIsolation"), Isolation)
}


class Result(NamedTuple):
    """What became of a run."""

    plan: Plan
    broken: list[str]
    history: list[tuple[Any, ...]]
    steps: int
    seconds: float
    changes: list[tuple[Any, ...]]


class Stage:
    """Everybody and everything of one run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = World(plan.seed)
        self.world.jitter = plan.jitter
        stand_ins.enter(self.world)
        self.database = Database()
        self.database.publish_after_ms = PUBLISH_AFTER_MS
        self.server = Server(self.world, self.database)
        self.server.tells_deaths = plan.one_machine
        self.server.rechecks = plan.rechecks
        self.server.between = plan.between
        self.folder = Folder()
        self.nobody = Outsider(-1)
        self.functions = {task.isolation: FUNCTIONS[task.isolation] for task in plan.tasks}
        self.trouble_until = 0.0
        self.broker = Broker(self)
        self.network = Network(self)
        self.referee = Referee(self)
        self.database._told = self.referee.changed
        self.ended = False
        self.busy = 0
        self.processes: list[Process] = []
        self.seats = [
            Seat(
                self, n, plan.clocks[n] if plan.clocks else 0.0, web=n < plan.webs,
                runs=plan.web_runs if n < plan.webs else True, sweeps=plan.web_sweeps or n >= plan.webs,
            )
            for n in range(plan.webs + plan.workers)
        ]  # fmt: skip

    @property
    def runs(self) -> bool:
        return any(seat.runs for seat in self.seats)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        self.world.call_at(self.world.now + seconds, self.nobody, call)

    def troubled(self, seconds: float) -> None:
        """Something is wrong for all."""
        self.trouble_until = max(self.trouble_until, self.world.now + seconds)
        self.world.happens_in(seconds)

    def living(self) -> Iterator[Process]:
        return (seat.process for seat in self.seats if not seat.process.dead)

    # -- the script

    def prepare(self) -> None:
        for fault in self.plan.faults:
            self._prepare(fault)
        for seat in self.seats:
            seat.start()
        for number, task in enumerate(self.plan.tasks):
            self.busy += 1
            self.world.moments.add(task.at)
            host = Outsider(-10 - number)
            if task.looks:
                self.looking(host, number, task)
                continue
            self.world.call_at(task.at, host, lambda h=host, n=number, t=task: self._visit(h, n, t))  # type: ignore[misc]

    def _prepare(self, fault: Fault) -> None:
        kind, who, at, seconds = fault.kind, fault.who, fault.at, fault.seconds
        if kind in ("crash", "crash_for_good", "freeze", "cut", "leave"):
            self.seats[who].at_step.setdefault(int(at), []).append(fault)
        elif kind in ("lost_reply", "slow"):
            trouble = self.seats[who].at_write.setdefault(int(at), WriteTrouble())
            trouble.lost |= kind == "lost_reply"
            trouble.slow += seconds
        elif kind in ("drop", "double", "late", "refuse", "unsure"):
            self.broker.wrong[int(at)] = fault
        elif kind == "net_reply":
            self.network.lost_replies.add(int(at))
        else:
            self.world.moments.add(at)
            self.world.call_at(at, self.nobody, lambda: self._happens(fault))

    def _happens(self, fault: Fault) -> None:
        self.world.happens_in(fault.seconds)
        until = self.world.now + fault.seconds
        if fault.kind == "away":
            self.server.away_until = until
            self.troubled(fault.seconds)
        elif fault.kind == "full":
            self.server.full_until = until
            self.troubled(fault.seconds)
        elif fault.kind == "broker_away":
            self.broker.away_until = until
        elif fault.kind == "net":
            self.network.cut_until = until
        elif fault.kind == "wall":
            self.seats[fault.who].process.wall_ahead += fault.seconds
        elif fault.kind == "deploy":
            self.seats[fault.who].process.deploy()

    # -- pages

    def _visit(self, host: Outsider, number: int, task: Task) -> None:
        def visit() -> None:
            try:
                if task.batch > 1:
                    submit_batch(self, number, task)
                else:
                    self._page(host, number, task)
            finally:
                self.busy -= 1

        self.world.spawn(host, visit)

    def _page(self, host: Outsider, number: int, task: Task) -> None:
        new = new_task(number, task)
        row = None
        for _ in range(5 if task.key else 1):
            try:
                row = self.network.ask(lambda server: submit(server, new), 8.0)
                break
            except KeyConflict as error:
                self.world.defects.append(error)
            except (Lost, SettledError, TimeoutError):
                self.world.sleep(1.0)
        if row is None:
            return
        self.referee.submitted(row)
        if task.cancel_after is not None:
            self.later(task.cancel_after, lambda: self._cancel(row.id))
        for kind in task.waits:
            if kind == "page":
                page = Page(self, row.id)
                self._wait(Waiter(kind, row.id, None, page.answers), host, page.run)
            else:
                self._wait_inside(kind, row.id)

    def looking(self, host: Outsider, number: int, task: Task) -> None:
        """Those who look at the latest value of a key."""
        self.busy += len(task.looks) - 1
        for after in task.looks:
            self.world.moments.add(task.at + after)
            self.world.call_at(task.at + after, host, lambda: self.world.spawn(host, look_at(self, number, task)))

    def _wait(self, who: Waiter, host: Any, wait: Callable[[], Any]) -> None:
        self.referee.waiters.append(who)

        def run() -> None:
            who.ending = wait()

        self.world.spawn(host, run)

    def _wait_inside(self, kind: str, task_id: str) -> None:
        living = [process for process in self.living() if process.seat.web]
        if not living:
            return
        process = self.world.chance.choice(living)
        who = Waiter(kind, task_id, process, [])
        if kind == "thread":
            self._wait(who, process, lambda: ending_of_thread(process, task_id))
            return
        self.referee.waiters.append(who)

        async def run() -> None:
            who.ending = await waiter.await_(process.ledger, task_id)

        process.loop.call_soon(lambda: process._keep(process.loop.create_task(run())))

    def _cancel(self, task_id: str) -> None:
        self.referee.cancelled.add(task_id)
        self.world.happens_in(0.0)

        def ask() -> None:
            try:
                self.network.ask(lambda server: cancel(server, task_id), 5.0)
            except (Lost, SettledError, TimeoutError):
                pass

        self.world.spawn(Outsider(-30), ask)

    # -- until nothing is left to do

    def done(self) -> bool:
        now = self.world.now
        if self.busy or self.referee.open:
            return False
        for seat in self.seats:
            process = seat.process
            if process.dead:
                continue
            if process.frozen_until > now or (process.service.engine is not None and process.service.engine._attempts):
                return False
        return all(
            who.ending is not None or (who.process is not None and who.process.dead) for who in self.referee.waiters
        )

    def run(self) -> Result:
        within = max(t.start_timeout + t.attempts * (t.timeout + LEASE + 2) for t in self.plan.tasks)
        horizon = 50.0 + within
        world = self.world
        self.prepare()
        try:
            while not self.done() and world.now < horizon:
                until = world.now + 0.5
                world.run(until)
                world.now = max(world.now, until)
            self.ended = True
            self.referee.finish()
        finally:
            world.end()
        referee = self.referee
        result = Result(self.plan, referee.broken, referee.history, world.steps, world.now, referee.changes)
        self._strike()
        return result

    def _strike(self) -> None:
        """Take it apart: what is left in circles takes the garbage collector, at several times the cost."""
        for process in self.processes:
            for part in (process.service, process.ledger, process.store, process):
                part.__dict__.clear()
        self.__dict__.clear()


def run(plan: Plan) -> Result:
    """Put a plan on; inside ``stand_ins.inside(JOURNAL, PACE)``."""
    return Stage(plan).run()


BINDINGS = (JOURNAL, PACE, ISOLATIONS)
