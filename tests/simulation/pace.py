"""How often the background loops of the simulated processes look: often near whatever happens, seldom between.

A step costs the same whether something happens in it or not, so a run goes from one moment of interest to the next: a
commit, a deadline, a lease that ends, a fault that begins or ends. Around each the loops tick as slowly as in
``TICKS``, in between more slowly. That is a pace of real machines too, for the library's loops may
be late by any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from settled.ear import Ear
from settled.periodic import Periodic
from settled.sweeper import sweeper
from tests.simulation import stand_ins
from tests.simulation.plan import LEASE

TICKS = {
    "settled-sweeper": (1.5, 3.0), "settled-follower": (1.6, 2.5), "settled-publisher": (0.8, 1.6),
    "settled-watchdog": (1.0, 2.0),
}  # fmt: skip
"""Of each loop, seconds: near what happens, and at most."""
ENGINE, ENGINE_LONGEST = 1.0, 1.5
BEAT, BEAT_LONGEST = LEASE * 0.43, LEASE * 0.45


def _paused(pause: float, tick: float, longest: float) -> float:
    if pause < tick and pause != tick / 2:
        return pause  # it knows what comes
    world = stand_ins.world
    return world.moments.pause(world.now, pause, longest)


class Paced(Periodic):
    """A background loop that looks less often while nothing happens."""

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        tick, longest = TICKS[name]
        super().__init__(name, lambda: _paused(step(), tick, longest))


class PacedEar(Ear):
    """And so the engine."""

    async def await_(self, seconds: float) -> bool:
        return await super().await_(_paused(seconds, ENGINE, ENGINE_LONGEST) if seconds == ENGINE else seconds)


def _sweeper(ledger: Any) -> Periodic:
    """The library's own, where this process has one."""
    host: Any = stand_ins.world.host
    return sweeper(ledger) if host.seat.sweeps else Periodic("none", lambda: 1e6)


def _heartbeat(ledger: Any) -> Periodic:
    """The library's own, whose step is the same, half as often or less."""

    def step() -> float:
        ledger.membership.beat()
        return _paused(BEAT, BEAT, BEAT_LONGEST)

    return Periodic("settled-heartbeat", step)


PACE: dict[str, dict[str, Any]] = {
    "engines.embedded": {"TICK": ENGINE, "Periodic": Paced, "Ear": PacedEar},
    "sweeper": {"TICK": TICKS["settled-sweeper"][0], "Periodic": Paced},
    "follower": {"TICK": TICKS["settled-follower"][0], "Periodic": Paced},
    "publisher": {"TICK": TICKS["settled-publisher"][0], "Periodic": Paced},
    "service": {"sweeper": _sweeper, "heartbeat": _heartbeat},
}
