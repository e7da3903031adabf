"""What ``time``, ``threading`` and the like are in a make-believe world; ``inside`` puts them in their places.

The code under test is the library's own, unchanged: only the names through which its modules reach the machine
are bound to these, for as long as a run lasts.
"""

from __future__ import annotations

import importlib
import queue
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import InvalidStateError
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from greenlet import getcurrent

from settled import ids
from tests.simulation.scheduler import Fiber, World

EPOCH_MS = 1_700_000_000_000
world: World
"""The one that runs just now."""


class Event:
    """``threading.Event``."""

    __slots__ = ("_set", "_waiting")

    def __init__(self) -> None:
        self._set = False
        self._waiting: list[Fiber] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for fiber in self._waiting:
            world.wake(fiber)
        self._waiting.clear()

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set and (timeout is None or timeout > 0):
            me = getcurrent()
            self._waiting.append(me)
            world.wait(me, timeout)
            if me in self._waiting:
                self._waiting.remove(me)
        return self._set


class SimpleQueue:
    """``queue.SimpleQueue``."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._waiting: Fiber | None = None

    def put(self, item: Any) -> None:
        self._items.append(item)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            world.wake(waiting)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        while not self._items:
            if not block:
                raise queue.Empty
            self._waiting = me = getcurrent()
            world.wait(me, timeout)
            self._waiting = None
        return self._items.popleft()


class Future:
    """``concurrent.futures.Future``, as far as it is used."""

    __slots__ = ("_callbacks", "_error", "_result", "_state", "_waiting")

    def __init__(self) -> None:
        self._state = "open"
        self._result: Any = None
        self._error: BaseException | None = None
        self._waiting: list[Fiber] = []

    def done(self) -> bool:
        return self._state == "done"

    def set_result(self, result: Any) -> None:
        self._end(result, None)

    def set_exception(self, error: BaseException) -> None:
        self._end(None, error)

    def _end(self, result: Any, error: BaseException | None) -> None:
        if self._state == "done":
            raise InvalidStateError
        self._state, self._result, self._error = "done", result, error
        for fiber in self._waiting:
            world.wake(fiber)

    def result(self, timeout: float | None = None) -> Any:
        if self._state != "done":
            me = getcurrent()
            self._waiting.append(me)
            world.wait(me, timeout)
            if self._state != "done":
                self._waiting.remove(me)
                raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._result


class Thread:
    """``threading.Thread``."""

    def __init__(
        self, group: None = None, target: Callable[..., object] | None = None, name: str = "",
        args: tuple[Any, ...] = (), daemon: bool | None = None,
    ) -> None:  # fmt: skip
        assert target is not None
        self.name = name
        self._target: Callable[..., object] | None = target
        self._args = args
        self._fiber: Fiber | None = None
        self._ended = Event()

    def start(self) -> None:
        assert world.host is not None
        self._fiber = world.spawn(world.host, self._run)

    def _run(self) -> None:
        target, self._target = self._target, None  # as the real one, for whose sake the thread may be held
        assert target is not None
        target(*self._args)
        self._ended.set()

    def is_alive(self) -> bool:
        return self._fiber is not None and not self._ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        self._ended.wait(timeout)


class Lock:
    """``threading.Lock`` and ``RLock``: a fiber is interrupted where it waits alone, but it may hold one there."""

    __slots__ = ("_depth", "_holder", "_waiting")

    def __init__(self) -> None:
        self._holder: Any = None
        self._depth = 0
        self._waiting: list[Fiber] = []

    def __enter__(self) -> Lock:
        me = getcurrent()
        while self._depth and self._holder is not me and not world.over:
            self._waiting.append(me)
            world.wait(me, None)
        self._holder = me
        self._depth += 1
        return self

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if not self._depth and self._waiting:
            world.wake(self._waiting.pop(0))


class Timer:
    """``threading.Timer``; the network of this world keeps its bounds by itself."""

    daemon = True

    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        pass

    def start(self) -> None:
        pass

    def cancel(self) -> None:
        pass


class NoLoop:
    """A loop in a thread of its own: a world has none, and one of the real machine would hold it for ever."""

    def __init__(self) -> None:
        raise AssertionError("A process of this world began a loop in a real thread.")


class _Time:
    """``time``, on the clocks of whoever's turn it is."""

    @staticmethod
    def monotonic() -> float:
        return world.now + world.host.ahead  # type: ignore[union-attr]

    @staticmethod
    def time() -> float:
        return EPOCH_MS / 1000 + world.now + world.host.wall_ahead  # type: ignore[union-attr]


class _Log:
    """``log``: trouble is what a run is made of, an exception that nobody expected is a defect."""

    def warning(self, *_: object) -> None:
        pass

    info = debug = warning

    def exception(self, message: str, *args: object) -> None:
        import sys

        error = sys.exception()
        error.add_note(message % args if args else message)
        world.defects.append(error)


THREADING = SimpleNamespace(
    Thread=Thread, Event=Event, Lock=Lock, RLock=Lock, Timer=Timer, current_thread=getcurrent, main_thread=lambda: None,
    get_ident=lambda: 1,
)  # fmt: skip
RANDOM = SimpleNamespace(random=lambda: world.chance.random())
OS = SimpleNamespace(getpid=lambda: world.host.number)  # type: ignore[union-attr]


def new_ids(now_ms: int, count: int) -> list[str]:
    """``ids.new_ids``, from the seed."""
    noise = world.chance.getrandbits
    head = f"{now_ms & 0xFFFFFFFFFFFF:012x}"
    return [f"{head[:8]}-{head[8:]}-7{noise(12):03x}-8{noise(12):03x}-{noise(48):012x}" for _ in range(count)]


def new_id(now_ms: int) -> str:
    """``ids.new_id``, from the seed."""
    return new_ids(now_ms, 1)[0]


assert ids._SHAPE.match("018bcfe5-6800-7000-8000-000000000000")  # new_ids is of this shape

MACHINE: dict[str, dict[str, Any]] = {
    "ledger": {"time": _Time, "log": _Log()},
    "membership": {"time": _Time, "threading": THREADING, "os": OS, "new_id": new_id},
    "writer": {"time": _Time, "threading": THREADING, "SimpleQueue": SimpleQueue, "Future": Future, "log": _Log()},
    "reader": {"threading": THREADING, "SimpleQueue": SimpleQueue},
    "periodic": {"time": _Time, "threading": THREADING, "log": _Log()},
    "publisher": {"time": _Time, "threading": THREADING, "log": _Log()},
    "bell": {"threading": THREADING},
    "ear": {"threading": THREADING},
    "journal": {"log": _Log()},
    "service": {"threading": THREADING, "log": _Log(), "_Background": NoLoop, "at_end": SimpleNamespace(
        register=lambda call: None, unregister=lambda call: None)},
    "engines.embedded": {"time": _Time, "log": _Log()},
    "engines.places": {"threading": THREADING},
    "engines.bench": {"time": _Time, "threading": THREADING, "Future": Future, "log": _Log()},
    "runner.attempt": {"time": _Time, "threading": THREADING},
    "runner.context": {"time": _Time},
    "waiter": {"time": _Time},
    "machine": {"random": RANDOM},
    "batch": {"time": _Time},
    "ledger_batches": {"time": _Time},
    "latest.keys": {"time": _Time, "new_id": new_id},
    "remote": {"time": _Time, "threading": THREADING},
}  # fmt: skip
"""Module of settled → its names for the machine."""


@contextmanager
def inside(*more: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Bind these names in the modules of settled, and take them back at the end."""
    before: list[tuple[Any, str, Any]] = []
    try:
        for bindings in (MACHINE, *more):
            for module, names in bindings.items():
                place = importlib.import_module(f"settled.{module}")
                for name, value in names.items():
                    before.append((place, name, getattr(place, name)))
                    setattr(place, name, value)
        yield
    finally:
        for place, name, value in reversed(before):
            setattr(place, name, value)


def enter(new: World) -> None:
    """Make this world the one that runs."""
    global world
    world = new
