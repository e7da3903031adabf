"""The database of the simulation as a world of the stores' conformance suite."""

from __future__ import annotations

from typing import Any

from tests.simulation import stand_ins
from tests.simulation.database import Database
from tests.simulation.outside import Outsider
from tests.simulation.scheduler import World
from tests.simulation.store import Server, SimStore


class SimulatedWorld:
    """One empty database; nothing goes wrong, and time stands still until it is moved."""

    def __init__(self) -> None:
        self.world = World(0)
        stand_ins.enter(self.world)
        self.server = Server(self.world, Database())

    def open(self) -> SimStore:
        store = SimStore(self.server, Outsider(1))
        store.open()
        return store

    def advance(self, seconds: float) -> None:
        self.world.now = round(self.world.now + seconds, 3)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """The one statement by hand that a conformance test needs."""
        assert statement == "DELETE FROM task_workers WHERE id = 'vanished'"
        self.server.database.workers.pop("vanished", None)
        return []
