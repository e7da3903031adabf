"""The faults: what is done to a task while it runs, and at which point of it.

Every fault takes, by name: ``line=2`` (the second line of the function's body on which a statement begins),
``before="response.json()"`` (the first line with this text in it), or ``at="start"`` or ``at="end"`` (its result is
there, and nobody has it yet); and ``attempt=2`` for another attempt than the first. Times are in seconds.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, fields
from typing import NamedTuple, Protocol

from settled.errors import BadInput

POINTS = ("start", "end")


class Order(NamedTuple):
    """What the process that stands at the line is to do next."""

    do: str  # "go" | "raise" | "exit" | "hoard" | "hang"
    what: str = ""


GO = Order("go")


class Scene(Protocol):
    """What a fault can reach: the process at the line, its worker, the ledger."""

    pid: int
    memory_limit: int | None

    def signal_worker(self, number: signal.Signals) -> None:
        """To the worker's own process."""

    def signal_process(self, number: signal.Signals) -> None:
        """To the process at the line, which is the worker's unless the task has one of its own."""

    def freeze(self, seconds: float) -> None:
        """Stop the worker and its tasks' processes, and let them go on after so long."""

    def take_ledger_away(self, seconds: float) -> None:
        """Return when the worker can no longer write; it can again after so long."""


@dataclass(frozen=True)
class Fault:
    """One fault and its point; it strikes once."""

    line: int | None = field(default=None, kw_only=True)
    before: str | None = field(default=None, kw_only=True)
    at: str | None = field(default=None, kw_only=True)
    attempt: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if sum(point is not None for point in (self.line, self.before, self.at)) > 1:
            raise BadInput(f"{self} names more than one point. Give line=, before= or at=, one of them.")
        if self.at not in (None, *POINTS):
            raise BadInput(f"at={self.at!r} is no point of a task function. Use at='start' or at='end'.")
        if self.attempt < 1:
            raise BadInput(f"attempt={self.attempt} will never begin: attempts count from 1.")

    def strike(self, scene: Scene) -> Order:
        """Do it; return what the process at the line does then, if it still lives."""
        raise NotImplementedError

    def __str__(self) -> str:
        given = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if self._differs(each.name)]
        return f"{type(self).__name__}({', '.join(given)})"

    def _differs(self, name: str) -> bool:
        return bool(getattr(self, name) != {each.name: each.default for each in fields(self)}[name])


@dataclass(frozen=True)
class Kill(Fault):
    """SIGKILL to the worker, or with ``whom="task"`` to the task's own process alone (``isolation="process"``)."""

    whom: str = "worker"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.whom not in ("worker", "task"):
            raise BadInput(f"whom={self.whom!r} is nobody here. Use 'worker' or 'task'.")

    def strike(self, scene: Scene) -> Order:
        strike = scene.signal_worker if self.whom == "worker" else scene.signal_process
        strike(signal.SIGKILL)
        return GO


@dataclass(frozen=True)
class Exit(Fault):
    """The process ends at once, by ``os._exit(code)``, with nothing run on the way out."""

    code: int = 1

    def strike(self, scene: Scene) -> Order:
        return Order("exit", str(self.code))


@dataclass(frozen=True)
class Raise(Fault):
    """The line raises an exception of this type, made with one argument, a text. The type must be importable."""

    exception: type[BaseException] = RuntimeError

    def strike(self, scene: Scene) -> Order:
        return Order("raise", f"{self.exception.__module__}:{self.exception.__qualname__}")

    def __str__(self) -> str:
        return super().__str__().replace(repr(self.exception), self.exception.__name__)


@dataclass(frozen=True)
class Hang(Fault):
    """The line blocks in a system call that never returns; in a coroutine it holds the event loop."""

    def strike(self, scene: Scene) -> Order:
        return Order("hang")


@dataclass(frozen=True)
class Freeze(Fault):
    """SIGSTOP to the worker and its tasks' processes, and SIGCONT after so many seconds: a pause of its machine."""

    seconds: float = 1.0

    def strike(self, scene: Scene) -> Order:
        scene.freeze(self.seconds)
        return GO


@dataclass(frozen=True)
class Terminate(Fault):
    """SIGTERM to the worker, as in a deploy: it drains, and is started again when it has ended."""

    def strike(self, scene: Scene) -> Order:
        scene.signal_worker(signal.SIGTERM)
        return GO


@dataclass(frozen=True)
class OutOfMemory(Fault):
    """The line hoards memory up to the task's ``memory_limit``; without one the kernel's killer comes: SIGKILL."""

    def strike(self, scene: Scene) -> Order:
        if scene.memory_limit is not None:
            return Order("hoard", str(scene.memory_limit))
        scene.signal_process(signal.SIGKILL)
        return GO


@dataclass(frozen=True)
class LedgerAway(Fault):
    """Nobody can write to the ledger, by default while the task ends, and everybody can again after so many seconds.

    SQLite: another program holds the lock that writers need. PostgreSQL: every connection breaks, and new ones do,
    those of readers too.
    """

    seconds: float = 1.0

    def strike(self, scene: Scene) -> Order:
        scene.take_ledger_away(self.seconds)
        return GO


def point_of(fault: Fault) -> str | None:
    """``"start"``, ``"end"``, or None if a line is named."""
    if fault.line is not None or fault.before is not None:
        return None
    return fault.at or ("end" if isinstance(fault, LedgerAway) else "start")


EVERY_FAULT: tuple[Fault, ...] = (
    Kill(), Kill("task"), Exit(), Raise(), Hang(), Freeze(), Terminate(), OutOfMemory(), LedgerAway(),
)  # fmt: skip
"""One of each, for ``@pytest.mark.parametrize("fault", EVERY_FAULT, ids=str)``."""
