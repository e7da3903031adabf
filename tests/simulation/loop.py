"""The event loop of a simulated process."""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable, Iterable
from typing import Any

from tests.simulation.scheduler import Call, Host, World

APART = 0.5
"""How often others may go on between two turns of a loop that has more to do."""


class Handle:
    """``asyncio.Handle``, and a step of the world where it is a timer."""

    __slots__ = ("_args", "_callback", "_context", "host", "loop", "token")

    def __init__(self, loop: Loop, callback: Callable[..., object], args: tuple[Any, ...], context: Any) -> None:
        self.loop = loop
        self.host = loop.host
        self._callback = callback
        self._args = args
        self._context = context
        self.token = 0

    def cancel(self) -> None:
        self.token = 1

    def cancelled(self) -> bool:
        return self.token == 1

    def switch(self) -> None:
        self.loop._run([self])

    def run(self) -> None:
        try:
            if self._context is None:
                self._callback(*self._args)
            else:
                self._context.run(self._callback, *self._args)
        except Exception as error:
            self.loop.call_exception_handler({"exception": error})


class Loop(asyncio.AbstractEventLoop):
    """The event loop of a simulated process: its callbacks are steps of the world. Nothing on it ever waits."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        world.at_end.append(self.end)
        self.host = host
        self._ready: list[Handle] = []
        self._turning = False
        self._my_turn = Call(host, self._turn)
        self._tasks: list[asyncio.Task[Any]] = []
        self.held_until = 0.0
        """Until then a task function holds the loop."""
        self._held: list[Iterable[Handle]] = []

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        handle = Handle(self, callback, args, context)
        if not self._ready and not self._turning:
            self._again()
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        return self.call_at(self._world.now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        handle = Handle(self, callback, args, context)
        self._world._push(max(when, self._world.now), handle, 0)
        return handle

    def _again(self) -> None:
        world = self._world
        when = max(world.now + world.random() * world.jitter, self.held_until)
        world._push(when, self._my_turn, None)

    def _turn(self) -> None:
        ready, self._ready = self._ready, []
        self._run(ready)

    def _run(self, handles: Iterable[Handle]) -> None:
        """Run these, and often what they have made ready too, before anybody else goes on."""
        world = self._world
        if self.held_until > world.now:
            if self.held_until < 1e9:
                self._held.append(handles)
                world.call_at(self.held_until, self.host, self._go_on)
            return
        events._set_running_loop(self)
        self._turning = True
        try:
            while True:
                for handle in handles:
                    if not handle.token:
                        handle.run()
                if not self._ready or self.host.dead or self.held_until > world.now or world.random() < APART:
                    break
                handles, self._ready = self._ready, []
        finally:
            self._turning = False
            events._set_running_loop(None)
            if self._ready:
                self._again()

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
        self._tasks.append(task)
        return task

    def end(self) -> None:
        """Let go of every task, while there is a world for what they do then."""
        for task in self._tasks:
            if not task.done():
                task.get_coro().close()  # type: ignore[union-attr]
        self._tasks.clear()
        self._ready.clear()
        del self._my_turn

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
