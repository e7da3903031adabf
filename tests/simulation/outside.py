"""What is outside of the processes: pages that submit and wait, the network between, and a broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from settled import remote, waiter
from settled.engines.base import EngineRefused, Home, Message
from settled.engines.bench import Bench
from settled.errors import NotAllowed, SettledError, TaskNotFound
from settled.machine import Look, Seen, Terms, Trouble
from settled.policy import Policy, ms
from settled.records import Ending, NewTask, Snapshot
from tests.simulation import stand_ins
from tests.simulation.cast import Process
from tests.simulation.disk import Folder
from tests.simulation.plan import LEASE, Fault, Task
from tests.simulation.scheduler import World

PAGE = Terms(None, 2.0, 6.0, 1.0, False, "server")
"""How patient the pages of this world are."""


class Outsider:
    """Somebody in whose life nothing goes wrong: the world itself, a page."""

    dead = False
    frozen_until = 0.0
    reads_only = False
    missed = False
    cut_until = 0.0
    steps_left = -1

    def __init__(self, number: int, ahead: float = 0.0) -> None:
        self.number = number
        self.ahead = ahead
        self.wall_ahead = ahead
        self.folder = Folder()

    def trouble(self) -> bool:
        return True

    def trouble_of_write(self, number: int) -> None:
        return None


class Broker:
    """Carries ids to workers; drops, doubles and delays what it is told to."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        self.host = Outsider(-2)
        self.messages = 0
        self.wrong: dict[int, Fault] = {}
        self.away_until = 0.0

    def client(self) -> Client:
        return Client(self)

    def deliver(self, task_id: str) -> None:
        """To one of the workers, as soon as there is one."""
        stage = self.stage
        ready = [
            seat.process for seat in stage.seats
            if not seat.process.dead and not seat.process.leaving and isinstance(seat.process.service.engine, Bench)
        ]  # fmt: skip
        if not ready:
            if not stage.ended:
                stage.later(0.5, lambda: self.deliver(task_id))
            return
        worker = stage.world.chance.choice(ready)

        def carry() -> None:
            if not isinstance(worker.service.engine, Bench):
                # Its turn came after it had left (it was frozen meanwhile, say): a worker of a broker takes nothing
                # more then, and what it had not begun goes to another. Asked all the same, the service would begin
                # anew with a loop in a thread, as a worker of a broker does for its first message.
                self.deliver(task_id)
                return
            try:
                worker.service.carry(task_id)
            except SettledError:
                pass  # the broker's worker says so in its log

        stage.world.spawn(worker, carry)


class Client:
    """``engines.base.RemoteEngine``, in one process."""

    name = "broker"
    publishes = True
    at_once = 1

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def attach(self, home: Home) -> None:
        pass

    def prepare(self) -> None:
        pass

    def publish(self, messages: Sequence[Message]) -> None:
        (message,) = messages
        broker = self._broker
        stage = broker.stage
        stage.world.sleep(0)
        broker.messages += 1
        fault = broker.wrong.get(broker.messages)
        kind = fault.kind if fault else ""
        if broker.away_until > stage.world.now:
            raise ConnectionError("The broker is away.")
        if kind == "refuse":
            raise EngineRefused("No such queue.")
        if kind != "drop":
            stage.later(fault.seconds if fault and kind == "late" else 0.001, lambda: broker.deliver(message.id))
        if kind == "double" and fault:
            stage.later(fault.seconds, lambda: broker.deliver(message.id))
        if kind == "unsure":
            raise ConnectionError("The answer of the broker was lost.")

    def close(self) -> None:
        pass


class Lost(Exception):
    """No answer came."""


class Network:
    """Between pages and web servers."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        self.requests = 0
        self.lost_replies: set[int] = set()
        self.cut_until = 0.0

    def ask(self, handle: Callable[[Process], Any], room: float) -> Any:
        """Have one of the servers do it; what it returns, or ``Lost``."""
        world: World = self.stage.world
        self.requests += 1
        number = self.requests
        world.sleep(0)
        servers = [seat.process for seat in self.stage.seats if seat.web and not seat.process.dead]
        if self.cut_until > world.now or not servers:
            world.sleep(min(room, 0.5))
            raise Lost("Nobody answers.")
        server = world.chance.choice(servers)
        answer = stand_ins.Future()

        def work() -> None:
            try:
                found, error = handle(server), None
            except (SettledError, TimeoutError) as raised:
                found, error = None, raised
            world.sleep(0)
            if number not in self.lost_replies and self.cut_until <= world.now and not answer.done():
                answer.set_exception(error) if error is not None else answer.set_result(found)

        world.spawn(server, work)
        try:
            return answer.result(room)
        except TimeoutError:
            raise Lost("It took too long.") from None


class Page(remote._Wait):
    """A page that waits: the library's own wait over HTTP, on this world's network."""

    def __init__(self, stage: Any, task_id: str) -> None:
        super().__init__("http://web/", None, PAGE)
        self._stage = stage
        self._id = task_id
        self.answers: list[bool] = []

    def _look(self, look: Look) -> Seen:
        try:
            answer = self._stage.network.ask(lambda server: server.show(self._id, look.hold), look.room)
        except (Lost, SettledError, TimeoutError) as error:
            self.answers.append(False)
            return Trouble(str(error))
        self.answers.append(answer[0] == 200)
        seen = remote.understood(*answer)
        if isinstance(seen, remote.Told):
            self._known = seen
        return seen


def new_task(number: int, task: Task) -> NewTask:
    """What a page submits."""
    policy = Policy(task.timeout, task.start_timeout, task.attempts, task.backoff, LEASE)
    return NewTask(
        task.isolation, json.dumps({"args": [number], "kwargs": {}}), ms(policy.start_timeout), ms(policy.timeout),
        ms(policy.lease), ms(policy.backoff), policy.attempts, policy.reserve_ms(0),
        f"key {number}" if task.key else None, lane=None if task.places is task.gap is None else "lane",
        lane_places=task.places, lane_gap_us=None if task.gap is None else round(task.gap * 1e6),
    )  # fmt: skip


def submit(process: Process, new: NewTask) -> Snapshot:
    """As ``Tasks`` does."""
    engine = process.service.engine
    told = new if engine is None else engine.before_insert(new)
    return process.ledger.add(told)[0]


def cancel(process: Process, task_id: str) -> None:
    """As a person asks for it."""
    try:
        process.ledger.cancel(task_id)
    except (NotAllowed, TaskNotFound):
        pass


def ending_of_thread(process: Process, task_id: str) -> Ending:
    """One who waits in a thread of the process."""
    return waiter.wait(process.ledger, task_id)
