"""Bugs that other systems had or have, planted here to see that the simulation catches each.

Each is a table of what to replace, in the library's own code or in the database of the world. Where a row that is
only read is never settled (most systems), reading is planted along with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import settled.remote
import settled.service
import settled.verdicts
import settled.waiter
from settled.engines.bench import Bench
from settled.engines.embedded import EmbeddedEngine
from settled.errors import LedgerUnavailable
from settled.ledger import Ledger
from settled.membership import Membership
from settled.periodic import Periodic
from settled.post import Post
from settled.records import Snapshot, Verdict, ending_of
from settled.stores.base import Change, Loss, RowRefused
from settled.writer import READ_PATIENCE, VERBS, Writer, _resolve
from tests.simulation import stand_ins
from tests.simulation.bug import Bug, Plants
from tests.simulation.bugs_of_groups import OF_GROUPS, UNTOLD
from tests.simulation.database import Database
from tests.simulation.store import SimStore


def _unguarded_finish() -> Plants:
    def fence(self: Database, row: Snapshot | None, verdict: Verdict, now: int) -> bool:
        return row is not None

    checked = Database._check

    def check(self: Database, before: Snapshot | None, after: Snapshot) -> None:
        checked(self, None, after)  # a table without a trigger

    return [(Database, "fence", fence), (Database, "_check", check)]


def _guard_without_attempt() -> Plants:
    def fence(self: Database, row: Snapshot | None, verdict: Verdict, now: int) -> bool:
        return row is not None and row.status is verdict.seen and (row.settles_at > now or verdict.expiry)

    return [(Database, "fence", fence)]


def _no_bound_on_a_success() -> Plants:
    def fence(self: Database, row: Snapshot | None, verdict: Verdict, now: int) -> bool:
        return row is not None and row.attempt == verdict.attempt and row.status is verdict.seen

    return [(Database, "fence", fence)]


def _read_as_it_is(self: Ledger, task_id: str) -> Snapshot:
    return self._read(task_id)


def _only_workers_expire() -> Plants:
    expire = Ledger.expire

    def by_workers(self: Ledger, *, thoroughly: bool = False) -> int:
        host: Any = stand_ins.world.host
        return expire(self, thoroughly=thoroughly) if getattr(host, "kind", None) is not None else 0

    return [(Ledger, "get", _read_as_it_is), (Ledger, "expire", by_workers)]


def _sweep_lock_without_expiry() -> Plants:
    expire = Ledger.expire

    def locked(self: Ledger, *, thoroughly: bool = False) -> int:
        assert isinstance(self.store, SimStore)
        server = self.store.server
        if getattr(server, "sweeping", None) is not None:
            return 0
        server.sweeping = self  # type: ignore[attr-defined]
        try:
            return expire(self, thoroughly=thoroughly)
        finally:
            host = stand_ins.world.host
            if host is not None and not host.dead and not stand_ins.world.over:
                server.sweeping = None  # type: ignore[attr-defined]

    return [(Ledger, "get", _read_as_it_is), (Ledger, "expire", locked)]


def _sweeper_dies_of_an_error() -> Plants:
    def run(self: Periodic) -> None:
        try:
            while not self._stopped:
                self._wake.wait(timeout=self._step())
                self._wake.clear()
        except LedgerUnavailable:
            pass  # the thread has ended, and nobody sees it

    return [(Ledger, "get", _read_as_it_is), (Periodic, "_run", run)]


def _outcome_dropped_when_the_store_is_away() -> Plants:
    def keep(self: Writer, batch: Any, error: LedgerUnavailable) -> None:
        self._give_up(batch, error)

    return [(Writer, "_keep", keep)]


def _outage_counted_as_silence() -> Plants:
    def lose(self: Membership) -> list[str]:
        others = [worker for worker in self._store.workers() if worker.id != self.worker]
        lost = [worker.id for worker in others if worker.lost_at is not None]
        for worker in others:
            gone = self._store.gone(worker.id)
            silent = worker.lost_at is None and worker.as_of > worker.heard_at + worker.lease_ms
            if (gone or silent) and self._writer.write_all("lose", [Loss(worker.id, gone)], READ_PATIENCE)[0]:
                lost.append(worker.id)
        return lost

    return [(Membership, "lose_the_dead", lose)]


class _OnTheLoop:
    """A heartbeat that beats on the event loop of its process."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._host: Any = stand_ins.world.host
        self._stopped = False

    def start(self) -> None:
        self._host.loop.call_later(self._ledger.membership.lease / 6, self._beat)

    def _beat(self) -> None:
        if not self._stopped:
            stand_ins.world.spawn(self._host, self._try)
            self.start()

    def _try(self) -> None:
        try:
            self._ledger.membership.beat()
        except LedgerUnavailable:
            pass  # the next one may arrive

    def stop(self, patience: float = 0) -> None:
        self._stopped = True


def _heartbeat_on_the_loop() -> Plants:
    return [(settled.service, "heartbeat", _OnTheLoop)]


def _rescues_not_counted() -> Plants:
    begun = Database.begun

    def again(self: Database, row: Snapshot, worker: str, now: int) -> Snapshot:
        after = begun(self, row, worker, now)
        rescued = (row.previous_error or "").startswith("worker_lost")
        return after._replace(attempt=row.attempt) if rescued else after

    return [(Database, "begun", again)]


def _one_bad_row_holds_its_batch() -> Plants:
    def commit(self: Writer, batch: Any) -> None:
        changes = [
            Change(v, [w.payload for w in batch if w.verb == v]) for v in VERBS if any(w.verb == v for w in batch)
        ]
        try:
            now, results = self._store.write(changes)
        except (LedgerUnavailable, RowRefused) as error:
            self._keep(batch, LedgerUnavailable(str(error)))
            return
        _told(self, batch, changes, now, results)

    return [(Writer, "_commit_together", commit)]


def _told(writer: Writer, batch: Any, changes: Any, now: int, results: Any) -> None:
    """The rest of a commit."""
    post = Post()
    for (verb, rows), found in zip(changes, results, strict=True):
        writer._committed(verb, rows, found, now, post)
        for write, result in zip([w for w in batch if w.verb == verb], found, strict=True):
            if write.future is not None:
                _resolve(write.future, result, None, post)
    post.send()


def _wake_up_lost_between_read_and_listen() -> Plants:
    def wait(ledger: Ledger, task_id: str, timeout: float | None = None, look: Any = None) -> Any:
        look = look or ledger.get
        row = look(task_id)
        stand_ins.world.sleep(0)
        ear = ledger.bell.listen(task_id)
        while not row.settled:
            ear.wait(1e12)
            ear.forget()
            row = look(task_id)
        return ending_of(row)

    return [(settled.waiter, "wait", wait)]


def _own_list_of_terminal_statuses() -> Plants:
    told = settled.remote.told

    def own(task: Any) -> Any:
        return told({**task, "settled": task["status"] == "completed"})

    return [(settled.remote, "told", own)]


def _lock_taken_for_the_holder() -> Plants:
    def at_once(row: Snapshot, worker: Any) -> int:
        return 0

    return [(settled.verdicts, "_over_at", at_once)]


def _drain_looks_at_what_runs_alone() -> Plants:
    def expects(self: EmbeddedEngine) -> bool:
        return False

    return [(EmbeddedEngine, "_expects", expects), (Bench, "_expects", expects)]


LATE = ("open past its bound", "a reader was told that it is open, past its bound")
LOST = ("a living worker was declared lost", "a worker was taken for lost that lives, and of which nothing was wrong")
UNWRITTEN = "a verdict was not written though nothing prevented it"

BUGS: dict[str, Bug] = {
    "a finish without a guard": Bug(
        "the published pattern by hand, UPDATE … WHERE id = ?; awa's defaults flip five verdicts in the matrix",
        _unguarded_finish,
        ("a settled task was changed", "a stale attempt wrote", "a verdict hit what it was not formed on"),
    ),
    "a guard without the attempt": Bug(
        "three well-known queues: a worker that was given up on finishes the next attempt of its task",
        _guard_without_attempt, ("a stale attempt wrote",),
    ),
    "a success past the bound": Bug(
        "awa's defaults: a task that was told failed completes later", _no_bound_on_a_success,
        ("something else than expiry counted past the bound", "a reader was contradicted"),
    ),
    "expiry by workers alone": Bug(
        "django-tasks, Procrastinate, self-hosted Prefect: with the worker gone the row stays running",
        _only_workers_expire, LATE,
    ),
    "a sweeper's lock without expiry": Bug(
        "taskiq-redis#131: whoever dies while recovering keeps everybody from it", _sweep_lock_without_expiry, LATE
    ),
    "a sweeper that dies of one error": Bug(
        "dbos#716: the loop ends with the first error of the database", _sweeper_dies_of_an_error, LATE
    ),
    "an outcome dropped while the store is away": Bug(
        "Dramatiq and TaskIQ acknowledge and forget; celery#8588 leaves STARTED",
        _outcome_dropped_when_the_store_is_away, (UNWRITTEN,),
    ),
    "an outage counted as silence": Bug(
        "detectors that fail live work: rq#2061, solid_queue#589, prefect#20887", _outage_counted_as_silence, LOST
    ),
    "a heartbeat on the loop that it guards": Bug(
        "PgQueuer, Procrastinate: work that holds the loop starves it", _heartbeat_on_the_loop, LOST
    ),
    "a lock that went with its session taken for a dead process": Bug(
        "ours, found by a busy machine: a worker that cannot connect anew goes on with what another has begun",
        _lock_taken_for_the_holder, ("two attempts hold a valid lease",),
    ),
    "rescues that are not counted": Bug(
        "fastapi-jobs ran a poison task nine times with one retry allowed, awa four with two", _rescues_not_counted,
        ("an attempt's number is not its count", "more attempts than allowed"),
    ),
    "one bad row that holds its batch": Bug(
        "PgQueuer: one traceback that cannot be stored made a whole batch of statuses fail again and again",
        _one_bad_row_holds_its_batch, (UNWRITTEN, *LOST),
    ),
    "a wake-up lost between read and listen": Bug(
        "browser and SDK clients: an event between the read and the subscription, and no deadline of their own",
        _wake_up_lost_between_read_and_listen, ("a wait did not end",),
    ),
    "a client's own list of terminal statuses": Bug(
        "three SDKs wait for ever on a terminal status that is not in their list",
        _own_list_of_terminal_statuses, (UNTOLD,),
    ),
    "a drain that looks at what runs alone": Bug(
        "ours, found by a busy machine: what is submitted or claimed at the moment of a deploy fails as interrupted",
        _drain_looks_at_what_runs_alone, ("a drain failed what it had time to begin",),
    ),
    **OF_GROUPS,
}  # fmt: skip


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """The library with this bug in it."""
    plants = BUGS[name].plants() if name else []
    before = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in plants]
    for owner, attribute, value in plants:
        setattr(owner, attribute, value)
    try:
        yield
    finally:
        for owner, attribute, value in before:
            setattr(owner, attribute, value)
