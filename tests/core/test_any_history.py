"""Any history at all: several processes, deaths, clock jumps, reboots, full disks; after each step the contract holds.

Nothing here waits: the clock is moved by hand, and each process's writer answers at once.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from settled import verdicts
from settled.errors import LedgerFull, LedgerUnavailable, NotAllowed, TaskNotFound
from settled.ledger import Ledger
from settled.policy import Policy
from settled.records import Snapshot
from settled.states import MOVES, Reason, Status
from settled.stores.base import Change, Progress, Written
from tests.core.host import Host, HostStore, PostgresHostStore
from tests.effort import EFFORT
from tests.stores.making import new_task, success

POLICIES = st.builds(
    Policy,
    timeout=st.integers(1, 20),
    start_timeout=st.integers(1, 20),
    attempts=st.integers(1, 3),
    backoff=st.integers(0, 5),
    lease=st.sampled_from([0.1, 1.0, 5.0]),
)
COLUMNS = [name for name in Snapshot._fields if name != "as_of"]
FIXED = (
    "id",
    "name",
    "arguments",
    "key",
    "owner",
    "max_attempts",
    "timeout_ms",
    "created_at",
    "settles_at",
    "retry_of",
)
PROCESSES = 3
RETENTION = 300.0


class ReadOnlyStore(HostStore):
    """The store of a process that can read and never write, as on a replica."""

    def write(self, changes: Sequence[Change]) -> Written:
        raise LedgerFull("This process cannot write.")


class History(RuleBasedStateMachine):
    """Processes of one machine on one ledger file."""

    database = "sqlite"
    attempts = Bundle("attempts")
    """(process, task as claimed): some of them long stale."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.host = Host(Path(self.folder.name), self.database)
        self.rows: dict[str, dict[str, object]] = {}
        self.executions: Counter[str] = Counter()
        self.told: dict[str, Reason | None] = {}
        self.may_be_pruned: float | None = None
        self.retired: list[Ledger] = []
        self.start_all()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.host.close()
            for ledger in self.retired:
                ledger.close()
            self.observer.close()
            self.folder.cleanup()

    # -- processes

    def start_all(self) -> None:
        self.processes = [self.start() for _ in range(PROCESSES)]
        self.observer = Ledger(self.read_only(), lease=5.0)
        self.observer.open()

    def read_only(self) -> Any:
        return ReadOnlyStore(self.host)

    def retire(self, process: Ledger) -> None:
        self.retired.append(process)

    def start(self) -> Ledger:
        trouble, self.host.trouble = self.host.trouble, None
        ledger = self.host.ledger(worker=True, retention=RETENTION)
        self.host.trouble = trouble
        return ledger

    def process(self, number: int) -> Ledger:
        return self.processes[number % PROCESSES]

    def now(self) -> int:
        return self.observer.store.now()

    @contextmanager
    def perhaps_away(self) -> Iterator[None]:
        """The ledger may be away just now, and then says so."""
        try:
            yield
        except LedgerUnavailable:
            assert self.host.trouble is not None

    # -- what processes do

    @rule(
        target=attempts, number=st.integers(0, 9), policy=POLICIES, claimed=st.booleans(), key=st.none() | st.just("k")
    )
    def submit(self, number: int, policy: Policy, claimed: bool, key: str | None) -> object:
        process = self.process(number)
        with self.perhaps_away():
            new = new_task(policy=policy, key=key, worker=process.worker if claimed else None)
            row, created = process.add(new)
            if created:
                assert row.settles_at == row.created_at + round(policy.settles_within * 1000)
                self.executions[row.id] = row.attempt
            return process, row
        return process, None

    @rule(target=attempts, number=st.integers(0, 9), limit=st.integers(1, 3))
    def claim(self, number: int, limit: int) -> object:
        process = self.process(number)
        row = None
        with self.perhaps_away():
            for row in process.claim(str(process.worker), ["work"], limit):
                self.executions[row.id] += 1
        return process, row

    @rule(attempt=attempts)
    def succeed(self, attempt: tuple[Ledger, Snapshot | None]) -> None:
        process, row = attempt
        if row is not None and process not in self.retired:
            with self.perhaps_away():
                running = self.rows[row.id]["status"] == "running" if row.id in self.rows else False
                in_time = self.now() < row.settles_at
                current = row.id in self.rows and self.rows[row.id]["attempt"] == row.attempt
                won = process.settle_now(success(row._replace(status=Status.RUNNING)))
                assert won == (running and in_time and current)

    @rule(attempt=attempts, reason=st.sampled_from(Reason), retry=st.booleans())
    def fail(self, attempt: tuple[Ledger, Snapshot | None], reason: Reason, retry: bool) -> None:
        process, row = attempt
        if row is not None and not row.settled and process not in self.retired:
            with self.perhaps_away():
                row = row._replace(as_of=process.store.now())
                process.settle_now(verdicts.of_attempt(row, reason, "It broke.", retry=retry))

    @rule(attempt=attempts, fraction=st.floats(0, 1))
    def progress(self, attempt: tuple[Ledger, Snapshot | None], fraction: float) -> None:
        process, row = attempt
        if row is not None and process not in self.retired:
            with self.perhaps_away():
                process._writer.write_all("progress", [Progress(row.id, row.attempt, fraction, "…")], 5)

    @rule(number=st.integers(0, 9))
    def beat(self, number: int) -> None:
        with self.perhaps_away():
            self.process(number).membership.beat()

    @rule(number=st.integers(0, 9), thoroughly=st.booleans())
    def expire(self, number: int, thoroughly: bool) -> None:
        with self.perhaps_away():
            self.process(number).expire(thoroughly=thoroughly)

    @rule(number=st.integers(0, 9), attempt=attempts)
    def read(self, number: int, attempt: tuple[Ledger, Snapshot | None]) -> None:
        if attempt[1] is not None and attempt[1].id in self.rows:
            process = self.process(number)
            asked = time.monotonic()
            row = process.get(attempt[1].id)
            assert row.settled or self.now() < row.settles_at
            assert row.settled or not row.overdue or asked < process._away_until

    @rule(number=st.integers(0, 9), attempt=attempts)
    def cancel(self, number: int, attempt: tuple[Ledger, Snapshot | None]) -> None:
        if attempt[1] is not None:
            with self.perhaps_away():
                try:
                    row = self.process(number).cancel(attempt[1].id)
                    assert row.reason is Reason.CANCELLED
                except NotAllowed:
                    assert self.process(number).get(attempt[1].id).settled
                except TaskNotFound:
                    assert attempt[1].id not in self.rows

    @rule(target=attempts, number=st.integers(0, 9), attempt=attempts)
    def retry(self, number: int, attempt: tuple[Ledger, Snapshot | None]) -> object:
        process, row = self.process(number), None
        if attempt[1] is not None:
            with self.perhaps_away():
                try:
                    row, created = process.retry(attempt[1].id)
                    assert row.retry_of == attempt[1].id
                    if created:
                        self.executions[row.id] = 0
                except (NotAllowed, TaskNotFound):
                    pass
        return process, row

    @rule(number=st.integers(0, 9), age=st.sampled_from([None, 0.0, 10.0, 60.0]))
    def prune(self, number: int, age: float | None) -> None:
        with self.perhaps_away():
            self.may_be_pruned = RETENTION if age is None else age
            self.process(number).prune(age)

    # -- what happens to them

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.25, 1.0, 3.0, 5.001, 20.0, 60.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.host.advance(seconds)

    @rule(seconds=st.integers(1, 12), asleep=st.integers(0, 9))
    def time_passes_and_all_but_one_beat(self, seconds: int, asleep: int) -> None:
        for _ in range(seconds * 2):
            self.host.advance(0.5)
            for process in self.processes:
                if process is not self.process(asleep):
                    with self.perhaps_away():
                        process.membership.beat()

    @rule(hours=st.integers(-1_000, 1_000))
    def the_system_clock_jumps(self, hours: int) -> None:
        self.host.clock.set_wall(self.host.clock.wall_ms() + hours * 3_600_000)

    @rule(number=st.integers(0, 9))
    def a_process_dies_and_another_starts(self, number: int) -> None:
        dead = self.process(number)
        self.host.dead.add(str(dead.worker))
        self.retire(dead)
        self.processes[number % PROCESSES] = self.start()

    @rule(number=st.integers(0, 9))
    def a_process_leaves_in_order_and_another_starts(self, number: int) -> None:
        leaving = self.process(number)
        with self.perhaps_away():
            leaving.membership.dismiss()
        self.host.dead.add(str(leaving.worker))
        self.retire(leaving)
        self.processes[number % PROCESSES] = self.start()

    @rule(hours=st.integers(-1_000, 1_000))
    def the_machine_reboots(self, hours: int) -> None:
        before = self.now()
        for process in self.processes:
            self.host.dead.add(str(process.worker))
            process.close()
        self.retired += self.processes
        self.observer.close()
        self.host.clock.reboot()
        self.the_system_clock_jumps(hours)
        self.start_all()
        if self.rows:
            newest = max(int(str(row["created_at"])) for row in self.rows.values())
            assert newest <= self.now()
        if self.now() < before:  # no battery, and nothing written since: what could only be read can be forgotten
            self.told.clear()

    @rule()
    def the_disk_fills(self) -> None:
        self.host.fill_disk()

    @precondition(lambda self: self.host.trouble is not None)
    @rule()
    def there_is_room_again(self) -> None:
        self.host.trouble = None

    # -- what holds after each step

    @invariant()
    def the_contract_holds(self) -> None:
        if not hasattr(self, "host"):
            return
        found = self.host.sql(f"SELECT {', '.join(COLUMNS)} FROM task_results")
        rows = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in found}
        for task_id, row in rows.items():
            self.is_sound(row)
            if task_id in self.rows:
                self.may_become(self.rows[task_id], row)
        for task_id in self.rows.keys() - rows.keys():
            self.was_old_enough(self.rows[task_id])
        self.rows, self.may_be_pruned = rows, None
        self.look_without_writing()

    def is_sound(self, row: dict[str, object]) -> None:
        assert row["attempt"] == self.executions[str(row["id"])]
        assert 0 <= int(str(row["attempt"])) <= int(str(row["max_attempts"]))
        assert int(str(row["deadline_at"])) <= int(str(row["settles_at"]))
        if row["status"] == "failed":
            assert row["reason"] in set(Reason)
            assert row["error_message"]
        else:
            assert row["reason"] is None

    def may_become(self, old: dict[str, object], new: dict[str, object]) -> None:
        assert all(old[name] == new[name] for name in FIXED)
        before, after = Status(str(old["status"])), Status(str(new["status"]))
        assert int(str(new["attempt"])) >= int(str(old["attempt"]))
        if before.terminal:
            assert new == old
        elif before is not after:
            assert (before, after) in MOVES
        if after.terminal and str(new["id"]) in self.told:
            assert (after, new["reason"]) == (Status.FAILED, self.told[str(new["id"])])

    def was_old_enough(self, row: dict[str, object]) -> None:
        assert self.may_be_pruned is not None
        assert Status(str(row["status"])).terminal
        limit = self.now() - round(self.may_be_pruned * 1000)
        assert int(str(row["created_at"])) <= limit
        assert int(str(row["finished_at"])) < limit

    def look_without_writing(self) -> None:
        """Whoever cannot write answers rightly too, and is never contradicted."""
        for task_id, row in self.rows.items():
            if not Status(str(row["status"])).terminal:
                seen = self.observer.get(task_id)
                assert seen.settled == (self.now() >= seen.settles_at)
                if seen.settled:
                    assert seen.status is Status.FAILED
                    assert seen.error_message
                    assert self.told.setdefault(task_id, seen.reason) == seen.reason


class ReadOnlyPostgresStore(PostgresHostStore):
    """The same on PostgreSQL."""

    def write(self, changes: Sequence[Change]) -> Written:
        raise LedgerFull("This process cannot write.")


class PostgresHistory(History):
    """Processes of several machines on one schema: no machine's clock counts, and none holds the ledger."""

    database = "postgres"

    def read_only(self) -> Any:
        return ReadOnlyPostgresStore(self.host)

    def retire(self, process: Ledger) -> None:
        super().retire(process)
        process.close()  # its connections end with it

    def the_system_clock_jumps(self, hours: int) -> None:
        pass

    def the_machine_reboots(self, hours: int) -> None:
        pass


TestAnyHistory = History.TestCase
TestAnyHistory.settings = settings(max_examples=25 * EFFORT, stateful_step_count=30, deadline=None)
TestAnyHistoryOnPostgres = PostgresHistory.TestCase
TestAnyHistoryOnPostgres.settings = settings(max_examples=5 * EFFORT, stateful_step_count=20, deadline=None)
