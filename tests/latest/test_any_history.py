"""Any interleaving of readers, refreshes, failures, hands, crashes and full disks; after each step the promise holds.

What is there is read by plain SQL and compared with a model that knows nothing of how it is done: one refresh at most
is open for a key, none was started before its time, the last good value is never lost, and an error is cleared by a
success only (or by a hand that sets the value, or purges the key).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from settled.errors import LedgerUnavailable, NotAllowed
from settled.latest import Latest
from settled.ledger import Ledger
from settled.states import Reason
from tests.core.host import Host
from tests.core.test_any_history import ReadOnlyPostgresStore, ReadOnlyStore
from tests.effort import EFFORT
from tests.latest.process import Process, latest_of

pytestmark = pytest.mark.timeout(300)
PROCESSES = 3
FRESH, RETRY, CAP = 60_000, 1_000, 8_000
OPEN = ("pending", "running")


class Row(NamedTuple):
    """A key's row as plain SQL tells it."""

    value: str | None
    got_at: int | None
    last_error: str | None
    failures: int
    retry_at: int
    task: str | None
    refreshing: bool


class Refreshed(NamedTuple):
    """A refresh's task as plain SQL tells it."""

    key: str
    status: str
    result: str | None
    message: str | None
    ended: int
    retry_after: int | None


class History(RuleBasedStateMachine):
    """Processes of one machine, or of several, on one ledger."""

    database = "sqlite"
    read_only: type = ReadOnlyStore

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.host = Host(Path(self.folder.name), self.database)
        self.processes = [self.start(number) for number in range(PROCESSES)]
        observer = Ledger(self.read_only(self.host), lease=5.0)
        observer.open()
        self.observer = Observer(observer)
        self.rows: dict[str, Row] = {}
        self.tasks: dict[str, Refreshed] = {}
        self.counter = 0
        self.asked: tuple[str, str] = ("", "never")
        """Of which key this step may start a refresh, and how."""
        self.hand: tuple[str, str | None] | None = None
        """What a hand did to a key in this step: the value that it set, or None for a purge."""

    def teardown(self) -> None:
        if hasattr(self, "host"):
            self.observer.ledger.close()
            self.host.close()
            self.folder.cleanup()

    def start(self, number: int) -> Process:
        trouble, self.host.trouble = self.host.trouble, None
        process = Process(self.host, claims=number % 2 == 0, retry_cap=CAP / 1000, history=2)
        self.host.trouble = trouble
        return process

    def process(self, number: int) -> Process:
        return self.processes[number % PROCESSES]

    @contextmanager
    def perhaps_away(self) -> Iterator[None]:
        try:
            yield
        except LedgerUnavailable:
            assert self.host.trouble is not None

    # -- what readers and hands do

    @rule(number=st.integers(0, 2), key=st.sampled_from("ab"), mode=st.sampled_from(["auto", "auto", "never", "force"]))
    def look(self, number: int, key: str, mode: Any) -> None:
        self.asked = key, mode
        before = self.rows.get(key)
        with self.perhaps_away():
            found = self.process(number).traffic.sync.get(key, refresh=mode)
            assert found.refreshing or mode != "force"
            if before is not None and before.got_at is not None:
                assert found.found
            if not found.refreshing and not found.found and mode == "auto":
                assert found.last_error is not None  # nobody is left without a word

    @rule(number=st.integers(0, 2), key=st.sampled_from("ab"), force=st.booleans())
    def start_after_a_look_of_long_ago(self, number: int, key: str, force: bool) -> None:
        """As of two that look at the same time: both find that a refresh is wanted."""
        self.asked = key, "force" if force else "auto"
        process = self.process(number)
        with self.perhaps_away():
            process.ledger.change("refresh", [process.traffic.keys._refreshes([key], force)])

    @rule(number=st.integers(0, 2), key=st.sampled_from("ab"))
    def set(self, number: int, key: str) -> None:
        self.counter += 1
        with self.perhaps_away():
            self.process(number).traffic.sync.set(key, self.counter)
            self.hand = key, str(self.counter)

    @rule(number=st.integers(0, 2), key=st.sampled_from("ab"))
    def purge(self, number: int, key: str) -> None:
        with self.perhaps_away():
            assert self.process(number).traffic.sync.purge(key) == (key in self.rows)
            self.hand = key, None

    @rule(number=st.integers(0, 2))
    def cancel_what_is_open(self, number: int) -> None:
        for task_id, task in self.tasks.items():
            if task.status in OPEN:
                with self.perhaps_away():
                    try:
                        self.process(number).ledger.cancel(task_id)
                    except NotAllowed:
                        assert self.process(number).ledger.get(task_id).settled

    # -- what workers do

    @rule(number=st.integers(0, 2))
    def claim(self, number: int) -> None:
        with self.perhaps_away():
            self.process(number).claim()

    @rule(number=st.integers(0, 2), empty=st.booleans())
    def succeed(self, number: int, empty: bool) -> None:
        self.counter += 1
        self.end(number, "null" if empty else str(self.counter))

    @rule(number=st.integers(0, 2), after=st.sampled_from([None, 500, 20_000, 20_000]))
    def fail(self, number: int, after: int | None) -> None:
        self.end(number, None, after)

    def end(self, number: int, value: str | None, after: int | None = None) -> None:
        process = self.process(number)
        with self.perhaps_away():
            for row in process.running():
                if row.settles_at > process.ledger.store.now():
                    self.counter += 1
                    if value is None:
                        process.fail(f"broken {self.counter}", retry_after_ms=after)
                    else:
                        process.succeed(value)
                    break

    @rule(number=st.integers(0, 2))
    def expire(self, number: int) -> None:
        with self.perhaps_away():
            self.process(number).ledger.expire(thoroughly=True)

    @rule(number=st.integers(0, 2))
    def retention(self, number: int) -> None:
        with self.perhaps_away():
            self.process(number).ledger.prune(0.0)
            self.process(number).ledger.forget()

    # -- what happens to them

    @rule(seconds=st.sampled_from([0.001, 0.5, 1.0, 2.0, 4.0, 8.0, 20.0, 35.0, 60.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.host.advance(seconds)

    @rule(number=st.integers(0, 2))
    def a_process_dies_and_another_starts(self, number: int) -> None:
        self.host.dead.add(str(self.process(number).ledger.worker))
        self.processes[number % PROCESSES] = self.start(number)

    @rule()
    def the_disk_fills(self) -> None:
        self.host.fill_disk()

    @precondition(lambda self: self.host.trouble is not None)
    @rule()
    def there_is_room_again(self) -> None:
        self.host.trouble = None
        for process in self.processes:
            process.ledger._away_until = process.traffic.keys._away_until = 0.0

    # -- what holds after each step

    @invariant()
    def the_promise_holds(self) -> None:
        if not hasattr(self, "host"):
            return
        rows = {
            key: Row(*rest, bool(refreshing))
            for key, *rest, refreshing in self.host.sql(
                "SELECT key, CAST(value AS TEXT), got_at, last_error, failures, retry_at, task, refreshing "
                "FROM task_latest"
            )
        }
        tasks = {
            task_id: Refreshed(*rest)
            for task_id, *rest in self.host.sql(
                "SELECT id, latest, status, CAST(result_data AS TEXT), error_message, "
                "coalesce(finished_at, 0), retry_after_ms FROM task_results WHERE latest IS NOT NULL"
            )
        }
        bounds = dict(self.host.sql("SELECT id, settles_at FROM task_results"))
        for key in "ab":
            open_ = [task_id for task_id, task in tasks.items() if task.key == key and task.status in OPEN]
            row = rows.get(key)
            assert len(open_) <= 1
            assert open_ == ([row.task] if row is not None and row.refreshing else [])
            self.follows(key, row, tasks, bounds)
        self.rows, self.tasks, self.asked, self.hand = rows, tasks, ("", "never"), None
        self.look_without_writing()

    def follows(self, key: str, row: Row | None, tasks: dict[str, Refreshed], bounds: dict[str, int]) -> None:
        """What the key is now follows from what it was, from the refresh that ended, and from who has started one."""
        was = self.rows.get(key) or Row(None, None, None, 0, 0, None, False)
        if was.refreshing and was.task in tasks and tasks[was.task].status not in OPEN:
            was = ended(was, tasks[was.task], bounds[was.task])
        elif was.refreshing and was.task not in tasks:
            raise AssertionError("an open refresh has vanished")
        new = [task_id for task_id, task in tasks.items() if task.key == key and task_id not in self.tasks]
        if self.hand is not None and self.hand[0] == key:
            value = self.hand[1]
            assert (row is None) == (value is None)
            assert row is None or (row.value, row.last_error, row.failures, row.refreshing) == (value, None, 0, False)
            assert not new
            return
        if new:
            self.was_time(key, was)
            was = was._replace(task=new[0], refreshing=True)
        assert (row or Row(None, None, None, 0, 0, None, False)) == was, (row, was)

    def was_time(self, key: str, was: Row) -> None:
        asked, mode = self.asked
        now = self.observer.ledger.store.now()
        assert asked == key
        assert not was.refreshing
        assert mode in ("auto", "force")
        if mode == "auto":
            assert was.retry_at <= now
            assert was.got_at is None or was.got_at + FRESH <= now

    def look_without_writing(self) -> None:
        """Whoever cannot write is told no more of a refresh than will be written, and no value less."""
        for key, row in self.rows.items():
            seen = self.observer.look(key)
            assert seen.found == (row.got_at is not None)
            assert seen.text == row.value
            if row.refreshing and not seen.refreshing:
                assert seen.failures == row.failures + 1
                assert seen.last_error is not None
                assert seen.last_error.reason in (Reason.TIMEOUT, Reason.NEVER_STARTED)


def ended(was: Row, task: Refreshed, settles_at: int) -> Row:
    """A key's row after the end of its refresh."""
    at = min(task.ended, settles_at)
    if task.status == "completed":
        return Row(task.result, at, None, 0, 0, was.task, False)
    pause = max(min(RETRY * 2**was.failures, CAP), task.retry_after or 0)
    return was._replace(last_error=task.message, failures=was.failures + 1, retry_at=at + pause, refreshing=False)


class Observer:
    """A process that can read and never write, as on a replica."""

    runs_tasks = True

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = self.at_hand = ledger
        self.traffic = latest_of(self)

    def look(self, key: str) -> Latest:
        return self.traffic.sync.get(key, refresh="never")


class PostgresHistory(History):
    """The same on PostgreSQL."""

    database = "postgres"
    read_only = ReadOnlyPostgresStore


TestAnyHistory = History.TestCase
TestAnyHistory.settings = settings(max_examples=20 * EFFORT, stateful_step_count=30, deadline=None)
TestAnyHistoryOnPostgres = PostgresHistory.TestCase
TestAnyHistoryOnPostgres.settings = settings(max_examples=4 * EFFORT, stateful_step_count=25, deadline=None)
