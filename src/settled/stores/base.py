"""What a ledger needs of a database: one door for writing, a few verbs that go through it, and some for reading.

``write`` takes changes, each a verb and its rows, and makes them in one transaction, in their order.
A verb is set-based and fenced, and has one result for each row, in order (``Verbs``). Whatever is
called raises ``LedgerUnavailable`` when the database cannot be reached, locked or written, and
``RowRefused`` when one of the rows cannot be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from settled.errors import SettledError
from settled.records import Finding, Former, LatestPolicy, LatestRow, NewTask, Snapshot, Verdict, WorkerRow
from settled.stores.looks import Looks

EXPIRY_MARGIN_MS = 250
"""How long after an attempt's timeout the ledger waits for its runner to say so itself."""
PUBLISH_AFTER_MS = 5_000
"""How long a due task may wait before an engine is told of it again; the index of a migration says the same."""
PUBLISH_SOON_MS = 1_000
"""When a task is published again that an engine had brought while its lane was full."""
PUBLISH_WITHIN_MS = 600_000
"""The longest pause between two such tellings, which double: a long backlog must not be flooded."""


class RowRefused(SettledError):
    """A row of a batch cannot be stored; its neighbours can."""

    code = "row-refused"


class Claim(NamedTuple):
    """A worker asks for work: at most ``limit`` tasks of these names, or those of these ``ids``, in a lane or not."""

    worker: str
    names: str  # a JSON list
    limit: int
    ids: Sequence[str] | None = None
    lanes: bool = False  # whether it asks for those in lanes, or for all others


class Due(NamedTuple):
    """When the next pending task of certain names may be claimed that is in no lane, and whether any is in one."""

    at: int | None
    lanes: bool


class Publish(NamedTuple):
    """A process with an engine asks for at most ``limit`` pending tasks of these names that it may have lost."""

    names: str  # a JSON list
    limit: int


class Progress(NamedTuple):
    """How far an attempt has come, from 0 to 1."""

    id: str
    attempt: int
    fraction: float | None
    message: str


class Beat(NamedTuple):
    """A sign of life of a worker."""

    worker: str
    lease_ms: int


class Loss(NamedTuple):
    """A worker is declared lost: certainly ``gone``, or only if its lease is over."""

    worker: str
    gone: bool


class Prune(NamedTuple):
    """Delete at most ``limit`` settled tasks created and finished before an age in milliseconds."""

    age_ms: int
    limit: int


class Refresh(NamedTuple):
    """A refresh of a key's value is to be started: ``new`` under the id ``task``; ``force`` also before its time."""

    key: str
    task: str
    new: NewTask
    policy: LatestPolicy
    force: bool = False


class Put(NamedTuple):
    """A value by hand, as JSON text; ``gone`` is a refresh that is known to be none any more."""

    name: str
    key: str
    value: str
    policy: LatestPolicy
    gone: str | None = None


class Purge(NamedTuple):
    """A key is to be forgotten; ``gone`` is a refresh that is known to be none any more."""

    name: str
    key: str
    gone: str | None = None


class Pulse(NamedTuple):
    """The ledger's own state, for judging leases: the last heartbeat, and since when they came without a gap."""

    version: int
    pulse_at: int
    steady_since: int
    refused: int
    retention_ms: int
    now: int


class Backlog(NamedTuple):
    """The pending tasks of one name that are due: how many, and since when the oldest is."""

    name: str
    waiting: int
    due_at: int


class Change(NamedTuple):
    """A verb (a name in ``Verbs``), and the rows that it is for."""

    verb: str
    rows: Sequence[Any]


class Written(NamedTuple):
    """The instant of a transaction on the ledger's clock, and for each change the results of its rows."""

    now: int
    results: list[list[Any]]


class Verbs(Protocol):
    """What each verb of ``write`` does with its rows, at its transaction's instant."""

    def insert(self, rows: Sequence[NewTask]) -> list[tuple[Snapshot, bool]]:
        """Insert tasks; the flag is False where an idempotency key named an existing one, which is returned."""

    def insert_batch(self, rows: Sequence[Sequence[NewTask]]) -> list[list[tuple[Snapshot, bool]]]:
        """Insert batches, each whole: its tasks in order, of which only the first may have an idempotency key.

        Where that names an existing task nothing of the batch is inserted, and that task alone is returned.
        """

    def settle(self, rows: Sequence[Verdict]) -> list[bool]:
        """Write verdicts by compare-and-set on (id, attempt, status); False where refused, which is counted."""

    def claim(self, rows: Sequence[Claim]) -> list[list[Snapshot]]:
        """Move due tasks to running, attempt + 1, under the asking worker; those in lanes as far as these have room.

        One that is asked for by its id, and whose lane has none, is to be published again soon.
        """

    def publish(self, rows: Sequence[Publish]) -> list[list[Snapshot]]:
        """Take pending tasks whose turn to be published has come, and put that turn off: each is one process's.

        Of a lane no more than may start now, less those that an engine has been told of and nobody has claimed yet.
        """

    def progress(self, rows: Sequence[Progress]) -> list[bool]:
        """Record progress of attempts that are running."""

    def enlist(self, rows: Sequence[WorkerRow]) -> list[bool]:
        """Add workers, heard now."""

    def beat(self, rows: Sequence[Beat]) -> list[bool]:
        """Renew leases; False for a worker that was declared lost."""

    def lose(self, rows: Sequence[Loss]) -> list[bool]:
        """Declare workers lost; False where the lease was renewed after all."""

    def dismiss(self, rows: Sequence[str]) -> list[bool]:
        """Delete the rows of workers that have no attempt open; False where one is."""

    def retain(self, rows: Sequence[int]) -> list[bool]:
        """Remember for how many milliseconds settled tasks are kept."""

    def prune(self, rows: Sequence[Prune]) -> list[int]:
        """Delete old settled tasks; returns how many."""

    def delete(self, rows: Sequence[str]) -> list[bool]:
        """Delete the tasks with these ids that have settled; False for the others."""

    def refresh(self, rows: Sequence[Sequence[Refresh]]) -> list[list[Snapshot | None]]:
        """Start refreshes, those of one row in one commit; None where one is open, or its time has not come."""

    def put(self, rows: Sequence[Put]) -> list[bool]:
        """Write values by hand; False where a refresh is open."""

    def purge(self, rows: Sequence[Purge]) -> list[bool]:
        """Forget keys; False where a refresh is open, or there is no such key."""

    def forget(self, rows: Sequence[int]) -> list[int]:
        """Forget keys that were not refreshed for as long as their function keeps them, so many at most."""


class BatchState(NamedTuple):
    """The tasks of a batch that are in one status; and the name, the owner and the instant of its first task."""

    status: str
    number: int
    finished_at: int | None  # the latest
    settles_at: int  # the latest
    name: str
    owner: str | None
    created_at: int
    now: int


class Batches(Protocol):
    """What can be asked of batches, in the order in which their tasks were submitted where nothing else is said."""

    def states(self, batch: str) -> list[BatchState]:
        """Its tasks by status; nothing if there is no such batch."""

    def page(self, batch: str, after: str | None, limit: int) -> list[Snapshot]:
        """Its tasks behind that one."""

    def open(self, batch: str, limit: int) -> list[Snapshot]:
        """Its tasks that have not settled."""

    def begun(self, batch: str, limit: int) -> list[Snapshot]:
        """Its tasks that are running, or wait for another attempt."""

    def ended(self, batch: str, since: int, after: str, limit: int) -> list[Snapshot]:
        """Its tasks that settled since an instant, or at it and behind that one; in the order of these two."""

    def failed(self, batch: str, after: str | None, limit: int) -> list[Snapshot]:
        """Its tasks that failed, behind that one."""

    def failures(self, batch: str, limit: int) -> list[tuple[str, str, str | None, int]]:
        """(reason, message, error type, how many), the most frequent first."""

    def overdue(self, batch: str, limit: int) -> list[Snapshot]:
        """Its open tasks that are past their deadline."""

    def workers(self, batch: str) -> list[str]:
        """The workers that run its tasks."""

    def marks(self, batches: Sequence[str]) -> dict[str, list[object]]:
        """For each of the batches that exists, what a waiter could notice of it: a value to compare."""


class Store(Protocol):
    """One database, for one process; reads may come from any thread, writes from one at a time."""

    @property
    def pause(self) -> float:
        """Seconds between two looks for what other processes have written, where no hint has come."""

    @property
    def looks(self) -> Looks:
        """What a person on call asks."""

    batches: Batches
    """What can be asked of batches."""
    inline: bool
    """Whether a read takes microseconds, so that an event loop may wait for it."""

    def exists(self) -> bool:
        """Whether there is a ledger to open; never makes one."""

    def open(self) -> None:
        """Connect, migrate and anchor the clock; raise ``BadLedgerUrl``, ``LedgerTooNew`` or ``LedgerUnavailable``."""

    def close(self) -> None:
        """Drop every connection and lock; harmless when repeated."""

    def journal(self) -> Path:
        """This machine's folder for verdicts that cannot be written while the database is away; once it was opened."""

    def now(self) -> int:
        """The ledger's instant, outside of a transaction, for what is only shown."""

    def version(self) -> int:
        """A number that changes when any other process has committed; it may change for nothing."""

    def write(self, changes: Sequence[Change]) -> Written:
        """Make all of the changes in one transaction, durable when this returns; or none, and raise."""

    def insert_within(self, new: NewTask) -> Generator[tuple[str, dict[str, Any]], Any, tuple[Snapshot, bool]]:
        """Insert one task on a connection of the application's own: yields statements, is sent the rows of each.

        Returns what ``insert`` does; raises ``BadInput`` where that cannot be done, or the connection goes elsewhere.
        """

    # Verbs that read.
    def read(self, ids: Sequence[str]) -> list[Snapshot]:
        """The tasks with these ids, those that exist."""

    def quiet(self, bound: int) -> bool:
        """Whether nothing that was begun before this instant, which has passed, can still be committed.

        What is read from now on of a task with this bound stays true: what was begun later is refused.
        """

    def overdue(self, limit: int) -> list[Snapshot]:
        """Open tasks past their deadline."""

    def orphans(self, limit: int) -> list[Snapshot]:
        """Running tasks whose worker is lost or has no row."""

    def held_by(self, worker: str) -> list[Snapshot]:
        """Running tasks of a worker."""

    def past_bound(self) -> list[Snapshot]:
        """Open tasks past ``settles_at``: a broken promise, once a sweep has run."""

    def next_deadline(self) -> int | None:
        """The soonest deadline of any open task."""

    def next_due(self, names: str) -> Due:
        """What there is to claim of these names (a JSON list)."""

    def next_in_lanes(self, names: str) -> int | None:
        """When the next task of these names that is in a lane may be claimed; None while the lanes of all are full."""

    def next_publish(self, names: str) -> int | None:
        """When the next pending task of these names (a JSON list) is to be published again."""

    def not_running(self, attempts: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of the attempts (id, number) that are not running any more."""

    def marks(self, ids: Sequence[str]) -> dict[str, list[object]]:
        """For each of the tasks that exists, what a waiter could notice of it: values to compare, its status first."""

    def workers(self) -> list[WorkerRow]:
        """Every worker that has a row."""

    def pulse(self) -> Pulse:
        """The ledger's own state."""

    def select(
        self, status: str | None, name: str | None, reason: str | None, before: str | None, limit: int
    ) -> list[Snapshot]:
        """Tasks that match, newest first."""

    def counts(self) -> dict[tuple[str, str | None], int]:
        """How many tasks there are of each (status, reason)."""

    def backlog(self) -> list[Backlog]:
        """What waits to be picked up, by name."""

    def prunable(self, age_ms: int, limit: int) -> int:
        """How many settled tasks ``prune`` would delete, counted up to ``limit``."""

    def latest(self, keys: Sequence[tuple[str, str]]) -> list[LatestRow]:
        """What is held of these keys (name, key), those that there are, in any order."""

    def list_latest(
        self, name: str | None, after: tuple[str, str] | None, limit: int, *, failing: bool = False
    ) -> list[LatestRow]:
        """Keys in order, from after one on; ``failing``: only those whose newest refresh failed."""

    def former(self, name: str, key: str, limit: int) -> list[Former]:
        """The values that a key had before, newest first."""

    def diagnose(self, *, deep: bool) -> list[Finding]:
        """Check what is the store's own: its settings, its protections, its files; ``deep`` reads all of it."""

    # Liveness that the store itself can tell, sooner than a lease.
    def hold(self, worker: str) -> None:
        """Take a lock that the kernel drops when this process dies."""

    def release(self, worker: str) -> None:
        """Drop it, and what it left on disk; also for another worker that is known to be dead."""

    def gone(self, worker: str) -> bool:
        """Whether that worker's process is certainly dead; False when it cannot be told. Never waits."""

    def listen(self, hint: Callable[[], None]) -> None:
        """Call back, from any thread, when another process may have written: a hint that may be lost or be idle."""
