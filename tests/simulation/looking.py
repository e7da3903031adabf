"""Who looks at the latest value of a key: the library's own steps, in one of the web servers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from settled.errors import SettledError
from settled.latest.answer import Latest
from settled.latest.keys import Keys
from settled.latest.options import Options
from settled.ledger import Ledger
from settled.records import LatestPolicy, NewTask
from tests.simulation.cast import Process
from tests.simulation.outside import Lost, new_task
from tests.simulation.plan import Task

OPTIONS = (
    Options(LatestPolicy(fresh_ms=1_500, retry_ms=700, retry_cap_ms=2_000), None),
    Options(LatestPolicy(fresh_ms=0, retry_ms=10, retry_cap_ms=2_000), None),
)
"""Of every other key."""


class Home:
    """``latest.steps.Home``, in one process."""

    runs_tasks = True

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def ledger(self) -> Ledger:
        return self._process.ledger

    at_hand = ledger

    def run_tasks(self) -> None:
        pass

    def before_start(self, new: NewTask) -> NewTask:
        engine = self._process.service.engine
        return new if engine is None else engine.before_insert(new)


def keys_of(process: Process, number: int, task: Task) -> Keys:
    """The keys of one function, as this process has them."""
    if number not in process.keys:
        new = new_task(number, task)._replace(key=None)
        function: Any = SimpleNamespace(name=task.isolation, new=lambda args, kwargs: new._replace(worker=None))
        process.keys[number] = Keys(function, Home(process), OPTIONS[(number + process.stage.plan.seed) % 2], None)
    found: Keys = process.keys[number]
    return found


def key_of(number: int) -> str:
    return f"key {number}"


def look_at(stage: Any, number: int, task: Task) -> Callable[[], None]:
    """Somebody looks once, in a thread of a server or on its loop; what is told is judged."""

    def handle(server: Process) -> Latest:
        keys = keys_of(server, number, task)
        since = stage.referee.keys.known(task.isolation, key_of(number))
        if stage.world.random() < 0.5:
            found = keys.run(keys.getting([key_of(number)], "auto"))[0]
        else:
            found = server.on_loop(lambda: keys.arun(keys.getting([key_of(number)], "auto")))[0]
        stage.referee.keys.told(server, since, found)
        return found

    def look() -> None:
        try:
            stage.network.ask(handle, 8.0)
        except (Lost, SettledError, TimeoutError):
            pass
        finally:
            stage.busy -= 1

    return look
