"""What carries a task to a worker: the engine in this process, or one that exists already, on many machines.

The row is written first, and it is the outbox: an engine only ever brings a task's id to a ``claim``, which is the
one gate. So it may refuse, lose or deliver twice whatever it is given, and the task still settles, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, NoReturn, Protocol

from settled.commits import Inserted
from settled.errors import BadInput
from settled.post import Post
from settled.records import NewTask
from settled.states import Reason


class Engine(Protocol):
    """What a submit in this process tells; the embedded engine runs tasks here, a publisher passes them on."""

    def before_insert(self, new: NewTask) -> NewTask:
        """Called with each task before it is written; may have it born claimed by this process."""

    def inserted(self, rows: Sequence[Inserted], post: Post) -> None:
        """Called when they are durable, on the writer's thread; what is put into the post runs on its loop."""

    def not_inserted(self, new: NewTask) -> None:
        """Called instead, from any thread, when it could not be written."""


class EngineRefused(Exception):
    """The engine will never take this task, so trying again is of no use; the message says why and what to do."""


class Message(NamedTuple):
    """What an engine is given: which task, and what it may need to carry it."""

    id: str
    name: str  # of the task function, for logs and dashboards
    hard_limit: float  # seconds after which whatever still runs the attempt may be killed


class Home(Protocol):
    """The ledger's side of a process, as an engine sees it there."""

    @property
    def url(self) -> str:
        """The ledger's URL."""

    def begin(self) -> None:
        """Make this process a worker now, so that it is known to be alive before its first task."""

    def carry(self, task_id: str) -> None:
        """Run a task that was brought here, unless another has it; returns when its work has left this process.

        Blocks the calling thread, for a bounded time. Any number of threads may carry at once.
        """

    def stop(self) -> None:
        """Drain, give the worker's row back and close."""

    async def abegin(self) -> None:
        """The same as ``begin`` for an engine with an event loop, on which its tasks will run."""

    async def acarry(self, task_id: str) -> None:
        """The same as ``carry``, on the loop of ``abegin``; what runs goes on when this is cancelled."""

    async def end(self) -> None:
        """The same as ``stop``, on that loop."""

    def give_up(self, task_id: str, reason: Reason, message: str) -> None:
        """End the attempt at a task that is carried here, if there is one; from any thread."""

    def refuse(self, task_id: str, why: str) -> None:
        """Settle a task as ``enqueue_failed`` that was taken at first, if no attempt at it has begun."""


class RemoteEngine(Protocol):
    """An engine that exists already. Its own retries and results are off: there is one truth."""

    name: str
    """What ``settled worker --engine`` calls it."""
    at_once: int
    """How many tasks ``publish`` takes at once, all or none of them."""
    publishes: bool
    """Whether this process can hand tasks to it; a worker in a pool, which has no way back to the pool, cannot."""

    def attach(self, home: Home) -> None:
        """Called once, when ``Tasks`` is made: have what is published call ``home.carry`` in the workers."""

    def prepare(self) -> None:
        """Called before the first ``publish``, by whoever opens the ledger: load what it needs, connect nothing.

        A script may end right after its submits, and an interpreter that ends imports nothing any more.
        """

    def publish(self, messages: Sequence[Message]) -> None:
        """Hand one task over, or up to ``at_once``, on the publisher's thread; may block for some seconds.

        Raises ``EngineRefused`` where trying again is of no use; none of several was taken then, and each is tried
        alone. Whatever else it raises means that the engine is away, and all are tried again.
        """

    def work(self, *, concurrency: int | None, drain: float | None, arguments: Sequence[str]) -> None:
        """Run the engine's own worker in the foreground until it is told to end."""

    def close(self) -> None:
        """Let go of connections; harmless when repeated. It may be published to again."""


def no_arguments(name: str, arguments: Sequence[str]) -> None:
    """Raise ``BadInput`` if the engine's worker was given arguments that it has no use for."""
    if arguments:
        raise BadInput(f"The worker of {name} takes no options of its own: leave --pass out.")


def no_worker(name: str, advice: str) -> NoReturn:
    """Raise ``BadInput`` for an engine whose workers are not ours to start."""
    raise BadInput(f"The workers of {name} are not started with settled worker. {advice}")
