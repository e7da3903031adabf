"""One clock and one thread for a whole make-believe world: whatever waits in it is put aside until it is its turn.

A thread of a simulated process is a fiber (a greenlet). It runs until it waits; then the world goes on with whoever
is due next, and its clock jumps there. Which of several goes first, and how long each step takes, comes from the
seed. So the same seed is the same run.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from random import Random
from typing import Any, Protocol

from greenlet import GreenletExit, getcurrent, greenlet

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

    def stepped(self) -> bool:
        """Called before each of its steps; False if it has just died or been frozen."""


class Turning(AssertionError):
    """The run does not come to an end."""


class Fiber(greenlet):
    """One thread of a simulated process."""

    host: Host
    token = 0

    def run_guarded(self, target: Callable[[], object], world: World) -> None:
        try:
            target()
        except GreenletExit:
            raise
        except BaseException as error:  # a thread of ours that dies is a defect
            world.defects.append(error)


class World:
    """The clock, and everybody's turns."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.chance = Random(seed)
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

    # -- for hosts

    def spawn(self, host: Host, target: Callable[[], object]) -> Fiber:
        """A new thread of a process, that begins soon."""
        fiber = Fiber(parent=self._hub)
        fiber.host = host
        fiber.run = lambda: fiber.run_guarded(target, self)
        self._fibers.append(fiber)
        self._push(self.now + self.chance.random() * self.jitter, fiber, 0)
        return fiber

    def call_at(self, when: float, host: Host, call: Callable[[], object]) -> None:
        """Have something done at an instant, if the process lives then."""
        self._push(max(when, self.now), _Call(host, call), None)

    @property
    def in_fiber(self) -> bool:
        """Whether whoever runs may wait."""
        return getcurrent() is not self._hub

    def sleep(self, seconds: float) -> None:
        """Let others go on, for at least so many seconds."""
        fiber = getcurrent()
        if fiber is self._hub:
            return
        fiber.token += 1
        self._push(self.now + seconds + self.chance.random() * self.jitter, fiber, fiber.token)
        self._switch()

    def wait(self, seconds: float | None) -> None:
        """Wait for ``wake``, for at most so many seconds."""
        fiber = getcurrent()
        assert fiber is not self._hub, "the event loop would wait"
        fiber.token += 1
        if seconds is not None and seconds < 1e9:
            self._push(self.now + max(0.0, seconds), fiber, fiber.token)
        self._switch()

    def wake(self, fiber: Fiber) -> None:
        """End another's wait."""
        fiber.token += 1
        self._push(self.now + self.chance.random() * self.jitter, fiber, fiber.token)

    def _switch(self) -> None:
        if self.over:
            raise GreenletExit
        self._hub.switch()

    def _push(self, when: float, target: Any, token: int | None) -> None:
        self._count += 1
        heappush(self._turns, (when, self._count, target, token))

    # -- for the run

    def run(self, until: float) -> None:
        """Go on until this instant, or until nothing is left to do."""
        turns = self._turns
        while turns and not self.over:
            when, count, target, token = heappop(turns)
            if token is not None and target.token != token:
                continue
            host = target.host
            if host.dead:
                continue
            if host.frozen_until > when:
                heappush(turns, (host.frozen_until, count, target, token))
                continue
            if when > until:
                heappush(turns, (when, count, target, token))
                break
            if when > self.now:
                self.now = when
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise Turning(f"{MOST_STEPS} steps by {self.now:.1f} s")
            if not host.stepped():
                if not host.dead:
                    heappush(turns, (max(host.frozen_until, when), count, target, token))
                continue
            self.host = host
            target.switch()
        self.host = None

    def end(self) -> None:
        """Let go of every thread."""
        self.over = True
        for fiber in self._fibers:
            if fiber:  # begun, and not ended
                fiber.throw()
        self._fibers.clear()
        self._turns.clear()


class _Call:
    """Something to be done at an instant."""

    __slots__ = ("call", "host")

    def __init__(self, host: Host, call: Callable[[], object]) -> None:
        self.host = host
        self.call = call

    def switch(self) -> None:
        self.call()


class Loop(asyncio.AbstractEventLoop):
    """The event loop of a simulated process: its callbacks are steps of the world. Nothing on it ever waits."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self.host = host
        self._ready: list[asyncio.Handle] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self.held_until = 0.0
        """Until then a task function holds the loop."""
        self._held: list[Iterable[asyncio.Handle]] = []

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self._ready:
            self._again()
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        return self.call_at(self._world.now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._world.call_at(when, self.host, lambda: self._run([handle]))
        return handle

    def _again(self) -> None:
        world = self._world
        when = max(world.now + world.chance.random() * world.jitter, self.held_until)
        world.call_at(when, self.host, self._turn)

    def _turn(self) -> None:
        ready, self._ready = self._ready, []
        self._run(ready)

    def _run(self, handles: Iterable[asyncio.Handle]) -> None:
        if self.held_until > self._world.now:
            if self.held_until < 1e9:
                self._held.append(handles)
                self._world.call_at(self.held_until, self.host, self._go_on)
            return
        events._set_running_loop(self)
        try:
            for handle in handles:
                if not handle._cancelled:
                    handle._run()
        finally:
            events._set_running_loop(None)

    def _go_on(self) -> None:
        if self._held:
            self._run(self._held.pop(0))

    def break_off(self) -> None:
        """End the call that holds the loop: what waited behind it goes on at once, not when it would have ended."""
        self.held_until = self._world.now  # and not 0: the judge counts from here what nothing prevents any more
        for go_on in (*[self._go_on] * len(self._held), self._turn):
            self._world.call_at(self._world.now, self.host, go_on)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None, **_: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # a crash ends them
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = self.create_future()

        def work() -> None:
            try:
                result, error = func(*args), None
            except Exception as raised:
                result, error = None, raised
            self.call_soon(_tell, future, result, error)

        self._world.spawn(self.host, work)
        return future

    def time(self) -> float:
        return self._world.now

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._world.over:
            self._world.defects.append(context.get("exception") or AssertionError(context["message"]))


def _tell(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
