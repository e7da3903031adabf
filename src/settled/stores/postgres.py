"""The PostgreSQL store: a schema of its own, three connections for each process, one round trip for each commit.

One connection writes, one reads, and one (``postgres_direct``) holds locks and listens; a fourth is made when a
person first looks (``postgres_looks``). The clock of this
ledger is the database's own, read inside every statement that decides; ``now`` is an estimate of it, kept by
this machine's steady clock between two answers, for ids and for what is only shown.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from settled.clock import Clock, SystemClock
from settled.errors import BadInput, LedgerUnavailable
from settled.ids import new_id, new_ids
from settled.records import Finding, Former, LatestRow, NewTask, Snapshot, Verdict, WorkerRow
from settled.stores import postgres_check, postgres_looks, postgres_migrate, postgres_open, postgres_verbs, queries
from settled.stores.base import Backlog, Batches, Change, Due, Pulse, RowRefused, Written
from settled.stores.batch_reads import BatchReads
from settled.stores.postgres_direct import Direct
from settled.stores.postgres_errors import Conflict, translate
from settled.stores.postgres_line import Connection, Line
from settled.stores.postgres_looks import PostgresLooks
from settled.stores.postgres_rows import numbers, texts
from settled.stores.postgres_verbs import Plan
from settled.stores.rows import born, latest_of, snapshot_of
from settled.stores.state_folder import state_folder

TRIES = 5
"""How often a transaction is tried that the database takes back because of another."""
TELLING = frozenset({"insert", "insert_batch", "settle", "claim", "progress", "refresh"})
"""The verbs of which other processes are told."""
UNSURE = 200_000
"""How many inserts without an answer are remembered, so that to try one again makes no second task."""

_BEHIND = "WHERE EXISTS (SELECT 1 FROM {schema}.task_results h WHERE h.id = %(first)s::text)"
"""For the tasks of a batch behind its first, whose idempotency key may have been taken."""
_NAMED = """WHERE EXISTS (
    SELECT 1 FROM {schema}.task_latest l WHERE l.name = v.name AND l.key = v.latest AND l.task = v.id)"""
"""For a refresh: only if its key's row has named it."""


class PostgresStore:
    """One schema of a PostgreSQL database as a ledger's store; see ``base.Store`` for what each verb promises."""

    inline = False

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.place = postgres_open.place_of(url)
        self.clock = clock or SystemClock()
        self._sql = {
            name: text.replace("{schema}", self.place.quoted) for name, text in queries.load("postgres").items()
        }
        insert = self._sql["insert"]
        for name, guard in {"insert": "", "insert_behind": _BEHIND, "insert_named": _NAMED}.items():
            self._sql[name] = insert.replace("{guard}", guard.replace("{schema}", self.place.quoted))
        self._writer = Line(lambda: postgres_open.connect(self.place, writes=True))
        self._reader = Line(lambda: postgres_open.connect(self.place))
        self._session = Line(lambda: postgres_open.connect(self.place))
        self._direct = Direct(self.place, self._session, self._sql)
        self._sql.update(postgres_looks.statements(self.place.quoted))
        self.looks = PostgresLooks(self._look)
        self._looker = Line(lambda: postgres_open.connect(self.place, settings=self._sql["look_settings"]))
        self._lines = (self._writer, self._reader, self._session, self._looker)
        self._offset = 0
        self._id = ""
        self._version = itertools.count()
        self.batches: Batches = BatchReads(self._query, self._tasks, texts)
        self._sent: list[tuple[NewTask, str]] = []  # the tasks of the present transaction, under their ids
        self._unsure: dict[int, tuple[NewTask, str]] = {}  # by identity: the writer tries the same object again

    @property
    def pause(self) -> float:
        return self._direct.pause

    # -- life

    def exists(self) -> bool:
        with translate(self.place.shown):
            connection = postgres_open.connect(self.place)
            try:
                return postgres_migrate.is_ledger(connection, self.place)
            finally:
                connection.close()

    def open(self) -> None:
        for line in self._lines:
            line.open()
        with translate(self.place.shown), self._writer.use() as connection:
            postgres_migrate.migrate(connection, self.place, self._sql)
        sent = self.clock.steady_ms()
        now, self._id = self._query("now")[0]
        self._note(now, sent)

    def close(self) -> None:
        self._direct.stop()
        for line in self._lines:
            line.close()

    def journal(self) -> Path:
        return state_folder() / self._id

    def now(self) -> int:
        return self.clock.steady_ms() + self._offset

    def version(self) -> int:
        return next(self._version)  # to ask costs as much as to look

    # -- writing

    def write(self, changes: Sequence[Change]) -> Written:
        for _ in range(TRIES - 1):
            try:
                return self._write(changes)
            except Conflict:
                continue
            except LedgerUnavailable:  # it may have arrived all the same
                self._unsure.update((id(row), (row, id_)) for row, id_ in self._sent)
                while len(self._unsure) > UNSURE:
                    del self._unsure[next(iter(self._unsure))]
                raise
        return self._write(changes)

    def _write(self, changes: Sequence[Change]) -> Written:
        with translate(self.place.shown):
            estimate = self.now()
            self._sent = []
            plans = [self._plan(verb, rows, estimate) for verb, rows in changes]
            statements = [statement for plan in plans for statement in plan.statements]
            if len(statements) > 1:
                statements += self._last_look(changes, estimate)
            sent = self.clock.steady_ms()
            with self._writer.use() as connection:
                answers = self._send(connection, statements, postgres_open.WRITING)
        now: int = answers[0][0][0]
        self._note(now, sent)
        results = postgres_verbs.together(plans).answer(now, answers)
        if self._unsure:
            for row, _ in self._sent:
                self._unsure.pop(id(row), None)
        if any(verb in TELLING for verb, _ in changes):
            self._direct.tell()
        return Written(now, results)

    def _plan(self, verb: str, rows: Sequence[Any], now: int) -> Plan:
        if verb == "insert":
            return self._plan_insert(rows, now)
        if verb == "insert_batch":
            return postgres_verbs.together([self._plan_insert(batch, now, keyed=batch[0].key) for batch in rows])
        if verb == "prune":
            return postgres_verbs.prune(rows, now)
        make: Callable[[Sequence[Any]], Plan] = getattr(postgres_verbs, verb)
        return make(rows)

    def _plan_insert(self, rows: Sequence[NewTask], now: int, keyed: str | None = None) -> Plan:
        """Give each task its id once, however often it is sent: a commit may arrive though its answer does not."""
        ids = sorted(new_ids(now, len(rows)))  # those of one instant are claimed in their order
        ids = [row.id or id_ for row, id_ in zip(rows, ids, strict=True)]
        known = set()
        for number, row in enumerate(rows):
            before = self._unsure.get(id(row))
            if before is not None:
                ids[number] = before[1]
                known.add(before[1])
        self._sent += zip(rows, ids, strict=True)
        if keyed is not None:
            return postgres_verbs.insert_keyed_batch(rows, ids, known)
        return postgres_verbs.insert(rows, ids, known)

    def _last_look(self, changes: Sequence[Change], now: int) -> list[tuple[str, dict[str, Any]]]:
        verdicts: list[Verdict] = [v for verb, rows in changes if verb == "settle" for v in rows]
        bounds = postgres_verbs.bounds_of(verdicts, now)
        return [("in_time", {"bounds": str(bounds)})] if bounds else []

    def _send(
        self, connection: Connection, statements: Sequence[tuple[str, Any]], settings: str
    ) -> list[list[tuple[Any, ...]]]:
        """Run statements in one transaction and one round trip; one alone is a transaction by itself."""
        if len(statements) == 1 and self.place.direct:
            name, values = statements[0]
            return [connection.execute(self._sql[name], values).fetchall()]
        try:
            with connection.pipeline():  # up to its end all is one transaction
                if not self.place.direct:
                    connection.execute(settings)
                cursors = [connection.execute(self._sql[name], values) for name, values in statements]
        except psycopg.Error:
            if self.place.direct:
                # psycopg (3.3) counts as prepared also what the server could not plan in a pipeline, as when a table
                # was locked, and does not forget it: each later use would fail. The next caller connects anew.
                connection.close()
            raise
        return [cursor.fetchall() for cursor in cursors]

    def insert_within(self, new: NewTask) -> Generator[tuple[str, dict[str, Any]], Any, tuple[Snapshot, bool]]:
        """Insert one task on a connection of the application's own; pending, since only its commit makes it exist."""
        task_id = new_id(self.now())
        values = {
            "id": task_id, "name": new.name, "arguments": new.arguments, "key": new.key, "owner": new.owner,
            "attempts": new.max_attempts, "timeout": new.timeout_ms, "lease": new.lease_ms, "backoff": new.backoff_ms,
            "retry_of": new.retry_of, "start": new.start_timeout_ms, "reserve": new.reserve_ms, "lane": new.lane,
            "places": new.lane_places, "gap": new.lane_gap_us,
        }  # fmt: skip
        made = yield self._sql["insert_within"], values
        if made:
            created_at, ledger = made[0]
            if ledger != self._id:
                raise BadInput(
                    f"This connection goes to another ledger than {self.place.shown}. Give one to the ledger's own "
                    "database, and roll this transaction back: the task in it is not this ledger's."
                )
            return born(new._replace(worker=None), task_id, created_at), True
        asked = {"name": new.name, "key": new.key, "owner": new.owner}
        found = yield self._sql["read_key_within"].replace("result_data", "CAST(result_data AS text)"), asked
        if not found:
            raise RowRefused("The idempotency key is taken by a transaction that is not visible yet. Try again.")
        return snapshot_of(found[0][:-1], found[0][-1]), False

    # -- reading

    def read(self, ids: Sequence[str]) -> list[Snapshot]:
        return self._tasks("read_tasks", id=_ids(ids))

    def quiet(self, bound: int) -> bool:
        return bool(self._query("quiet", bound=bound)[0][0])

    def overdue(self, limit: int) -> list[Snapshot]:
        return self._tasks("overdue", limit=limit)

    def orphans(self, limit: int) -> list[Snapshot]:
        return self._tasks("orphans", limit=limit)

    def held_by(self, worker: str) -> list[Snapshot]:
        return self._tasks("held_by", worker=worker)

    def past_bound(self) -> list[Snapshot]:
        return self._tasks("past_bound")

    def next_deadline(self) -> int | None:
        return self._instant("next_deadline")

    def next_due(self, names: str) -> Due:
        sent = self.clock.steady_ms()
        at, now, lanes = self._query("next_due", names=texts(json.loads(names)))[0]
        self._note(now, sent)
        return Due(at, lanes)

    def next_in_lanes(self, names: str) -> int | None:
        return self._instant("next_in_lanes", names=texts(json.loads(names)))

    def next_publish(self, names: str) -> int | None:
        ready = self._instant("next_publish", names=texts(json.loads(names))), self.next_in_lanes(names)
        return min((at for at in ready if at is not None), default=None)

    def not_running(self, attempts: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        if not attempts:
            return set()
        asked = {"id": texts(id_ for id_, _ in attempts), "attempt": numbers(attempt for _, attempt in attempts)}
        return {(row[0], row[1]) for row in self._query("not_running", **asked)}

    def marks(self, ids: Sequence[str]) -> dict[str, list[object]]:
        return {row[0]: list(row[1:]) for row in self._query("marks", id=_ids(ids))}

    def workers(self) -> list[WorkerRow]:
        return [WorkerRow._make(row) for row in self._query("read_workers")]

    def pulse(self) -> Pulse:
        return Pulse._make(self._query("read_ledger")[0])

    def select(
        self, status: str | None, name: str | None, reason: str | None, before: str | None, limit: int
    ) -> list[Snapshot]:
        return self._tasks("list", status=status, name=name, reason=reason, before=before, limit=limit)

    def counts(self) -> dict[tuple[str, str | None], int]:
        return {(status, reason): count for status, reason, count in self._query("counts")}

    def backlog(self) -> list[Backlog]:
        return [Backlog._make(row) for row in self._query("backlog")]

    def prunable(self, age_ms: int, limit: int) -> int:
        return int(self._query("prunable", before=new_id(self.now() - age_ms), age=age_ms, limit=limit)[0][0])

    def latest(self, keys: Sequence[tuple[str, str]]) -> list[LatestRow]:
        asked = {"names": texts(name for name, _ in keys), "keys": texts(key for _, key in keys)}
        return self._latest("read_latests", **asked)

    def list_latest(
        self, name: str | None, after: tuple[str, str] | None, limit: int, *, failing: bool = False
    ) -> list[LatestRow]:
        page = dict(zip(("after_name", "after_key"), after or (None, None), strict=True))
        return self._latest("list_latest", name=name, failing=failing, limit=limit, **page)

    def former(self, name: str, key: str, limit: int) -> list[Former]:
        return [Former._make(row) for row in self._query("former", name=name, key=key, limit=limit)]

    def diagnose(self, *, deep: bool) -> list[Finding]:
        with translate(self.place.shown), self._reader.use() as connection:
            return postgres_check.findings(connection, self.place, self._sql, deep=deep)

    # -- liveness and hints, where there is a session of our own

    def hold(self, worker: str) -> None:
        if self.place.direct:
            self._direct.hold(worker)

    def release(self, worker: str) -> None:
        if self.place.direct:
            self._direct.release(worker)

    def gone(self, worker: str) -> bool:
        return self.place.direct and self._direct.gone(worker)

    def listen(self, hint: Callable[[], None]) -> None:
        if self.place.direct:
            self._direct.listen(hint)

    # -- the inside

    def _note(self, now: int, sent: int) -> None:
        """Set the estimate: the database took its instant when it was asked."""
        self._offset = now - sent

    def _query(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self._ask_on(self._reader, statement, values)

    def _look(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self._ask_on(self._looker, statement, values)

    def _ask_on(self, line: Line, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Ask once more where a session turned out to be dead, as after a restart of the server."""
        asked = [(statement, values or None)]
        with translate(self.place.shown):
            again = not line.is_new()
            try:
                with line.use() as connection:
                    return self._send(connection, asked, postgres_open.READING)[0]
            except psycopg.OperationalError:
                if not (again and line.is_new()):
                    raise
            with line.use() as connection:
                return self._send(connection, asked, postgres_open.READING)[0]

    def _tasks(self, statement: str, /, **values: Any) -> list[Snapshot]:
        return [snapshot_of(row[:-1], row[-1]) for row in self._query(statement, **values)]

    def _latest(self, statement: str, /, **values: Any) -> list[LatestRow]:
        return [latest_of(row[:-1], row[-1]) for row in self._query(statement, **values)]

    def _instant(self, statement: str, /, **values: Any) -> int | None:
        sent = self.clock.steady_ms()
        found, now = self._query(statement, **values)[0]
        self._note(now, sent)
        return None if found is None else int(found)


def _ids(ids: Sequence[str]) -> str:
    """What is no text is no id, and is found nowhere."""
    return texts(id_ for id_ in ids if isinstance(id_, str))
