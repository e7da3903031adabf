"""One clock and one thread for a whole make-believe world: whatever waits in it is put aside until it is its turn.

A thread of a simulated process is a fiber (a greenlet). It runs until it waits; then the world goes on with whoever
is due next, and its clock jumps there. Which of several goes first, and how long each step takes, comes from the
seed. So the same seed is the same run.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any, Protocol

from greenlet import GreenletExit, getcurrent, greenlet

from tests.simulation.moments import Moments

JITTER = 0.002
"""Seconds that a step takes at most, of a machine that is not busy."""
MOST_STEPS = 50_000
"""Of one run; more means that something turns in circles."""


class Host(Protocol):
    """A simulated process, as the scheduler sees it."""

    number: int
    dead: bool
    frozen_until: float
    ahead: float  # seconds by which its monotonic clock is ahead of the world's
    wall_ahead: float
    steps_left: int
    """Steps until something goes wrong with it."""

    def trouble(self) -> bool:
        """Called before the step that this was; False if it has just died or been frozen."""


class Turning(AssertionError):
    """The run does not come to an end."""


class Fiber(greenlet):
    """Threads of simulated processes, one after the other: a new greenlet costs more than most threads do."""

    host: Host
    token = 0
    world: World
    target: Callable[[], object] | None = None
    begun = False

    def run(self) -> None:
        while True:
            self.begun = True
            try:
                self.target()  # type: ignore[misc]  # nobody switches to one that has none
            except GreenletExit:
                pass
            except BaseException as error:  # a thread of ours that dies is a defect
                self.world.defects.append(error)
            self.rest()
            self.world._hub.switch()

    def rest(self) -> None:
        """Until there is another thread to be."""
        self.target, self.begun = None, False
        self.token += 1
        _idle.append(self)


_idle: list[Fiber] = []
"""Those whose thread has ended."""


class World:
    """The clock, and everybody's turns."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.chance = Random(seed)
        self.random = self.chance.random
        self.host: Host | None = None
        """Whose turn it is."""
        self.jitter = JITTER
        self.over = False
        self.steps = 0
        self.defects: list[BaseException] = []
        self._hub = getcurrent()
        self._turns: list[tuple[float, int, Any, int | None]] = []
        self._count = 0
        self._fibers: list[Fiber] = []
        self._bound = 0.0
        self._picked: Any = None
        self.moments = Moments()
        self.at_end: list[Callable[[], None]] = []

    # -- for hosts

    def spawn(self, host: Host, target: Callable[[], object]) -> Fiber:
        """A new thread of a process, that begins soon."""
        fiber = _idle.pop() if _idle else Fiber(parent=self._hub)
        fiber.gr_context = None  # of the thread before
        fiber.host, fiber.world, fiber.target = host, self, target
        self._fibers.append(fiber)
        self._push(self.now + self.random() * self.jitter, fiber, fiber.token)
        return fiber

    def call_at(self, when: float, host: Host, call: Callable[[], object]) -> None:
        """Have something done at an instant, if the process lives then."""
        self._push(max(when, self.now), Call(host, call), None)

    def happens_in(self, *seconds: float) -> None:
        """Something of interest happens now, and in so many seconds."""
        self.moments.add(self.now)
        for more in seconds:
            if 0 < more < 1e9:
                self.moments.add(self.now + more)

    @property
    def in_fiber(self) -> bool:
        """Whether whoever runs may wait."""
        return getcurrent() is not self._hub

    def sleep(self, seconds: float) -> None:
        """Let others go on, for at least so many seconds."""
        fiber = getcurrent()
        if fiber is not self._hub:
            self._until(self.now + seconds + self.random() * self.jitter, fiber)

    def wait(self, fiber: Fiber, seconds: float | None) -> None:
        """Have this fiber, whose turn it is, wait for ``wake``, for at most so many seconds."""
        assert fiber is not self._hub, "the event loop would wait"
        if seconds is not None and seconds < 1e9:
            self._until(self.now + seconds if seconds > 0 else self.now, fiber)
        else:
            fiber.token += 1
            self._switch(fiber)

    def wake(self, fiber: Fiber) -> None:
        """End another's wait."""
        fiber.token += 1
        self._push(self.now + self.random() * self.jitter, fiber, fiber.token)

    def _until(self, when: float, fiber: Fiber) -> None:
        """Go on at this instant, or when woken; at once where nobody else is due before, for nobody could tell."""
        turns = self._turns
        while turns and turns[0][3] is not None and turns[0][2].token != turns[0][3]:
            heappop(turns)
        host = fiber.host
        if (
            when <= self._bound and not (turns and turns[0][0] <= when) and not host.dead and host.frozen_until <= when
            and not self.over and self.steps < MOST_STEPS
        ):  # fmt: skip
            self.now = when
            self.steps += 1
            host.steps_left -= 1
            if host.steps_left or host.trouble():
                return
            if not host.dead:
                when = max(host.frozen_until, when)
        fiber.token = token = fiber.token + 1
        self._count = count = self._count + 1
        heappush(turns, (when, count, fiber, token))
        self._switch(fiber)

    def _switch(self, fiber: Fiber) -> None:
        """Have whoever is next go on; return when it is this fiber's turn again."""
        if self.over:
            raise GreenletExit
        target = self._pick()
        if target is fiber:
            return
        if type(target) is Fiber:
            target.switch()
        else:
            self._picked = target
            self._hub.switch()
        if self.over:
            raise GreenletExit

    def _push(self, when: float, target: Any, token: int | None) -> None:
        self._count += 1
        heappush(self._turns, (when, self._count, target, token))

    # -- for the run

    def run(self, until: float) -> None:
        """Go on until this instant, or until nothing is left to do."""
        self._bound = until
        while (target := self._picked or self._pick()) is not None:
            self._picked = None
            target.switch()
        if self.steps >= MOST_STEPS:
            raise Turning(f"{MOST_STEPS} steps by {self.now:.1f} s")
        self.host = None

    def _pick(self) -> Any:
        """Whose turn it is now, the clock set to it; None if it is nobody's within the bound."""
        turns = self._turns
        while turns and self.steps < MOST_STEPS:
            when, count, target, token = heappop(turns)
            if token is not None and target.token != token:
                continue
            host = target.host
            if host.dead:
                continue
            if host.frozen_until > when:
                heappush(turns, (host.frozen_until, count, target, token))
                continue
            if when > self._bound:
                heappush(turns, (when, count, target, token))
                return None
            if when > self.now:
                self.now = when
            self.steps += 1
            host.steps_left -= 1
            if not (host.steps_left or host.trouble()):
                if not host.dead:
                    heappush(turns, (max(host.frozen_until, when), count, target, token))
                continue
            self.host = host
            return target
        return None

    def end(self) -> None:
        """Let go of every thread."""
        self.over = True
        for fiber in self._fibers:
            if fiber.begun:
                fiber.switch()
            elif fiber.target is not None:
                fiber.rest()
            fiber.host = fiber.world = None
        for end in self.at_end:
            end()
        for put_aside in (self._fibers, self._turns, self.at_end):
            put_aside.clear()


class Call:
    """Something to be done at an instant."""

    __slots__ = ("call", "host")

    def __init__(self, host: Host, call: Callable[[], object]) -> None:
        self.host = host
        self.call = call

    def switch(self) -> None:
        self.call()
