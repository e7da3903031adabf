"""What each verb of ``write`` is in SQL: the statements that it sends, and what their answers mean.

All statements of a transaction are sent at once, so none may depend on the answer to another: what
decides, decides in SQL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from settled.ids import new_id
from settled.records import NewTask, Snapshot, Verdict, WorkerRow
from settled.states import Status
from settled.stores import postgres_rows
from settled.stores.base import (
    EXPIRY_MARGIN_MS,
    PUBLISH_AFTER_MS,
    PUBLISH_SOON_MS,
    PUBLISH_WITHIN_MS,
    Beat,
    Claim,
    Loss,
    Progress,
    Prune,
    Publish,
    Purge,
    Put,
    Refresh,
    RowRefused,
)
from settled.stores.postgres_rows import Values, numbers, texts, truths
from settled.stores.rows import born, snapshot_of

Rows = list[tuple[Any, ...]]
Answer = Callable[[int, Sequence[Rows]], list[Any]]
"""From the transaction's instant and the rows that each statement answered with to the verb's results."""


class Plan(NamedTuple):
    """One verb with its rows: statements by name, each with its values, and how to read their answers."""

    statements: list[tuple[str, Values]]
    answer: Answer


def insert(rows: Sequence[NewTask], ids: Sequence[str], known: set[str]) -> Plan:
    """Insert tasks under these ids; those ``known`` were sent before and may be there already."""
    statements = [("insert", postgres_rows.of_new(rows, ids, EXPIRY_MARGIN_MS))]
    pairs = list(zip(rows, ids, strict=True))
    look = [(row, id_) for row, id_ in pairs if row.key is not None or row.id is not None or id_ in known]
    if look:
        statements.append(("inserted", postgres_rows.of_keys([row for row, _ in look], [id_ for _, id_ in look])))

    def answer(now: int, answers: Sequence[Rows]) -> list[tuple[Snapshot, bool]]:
        lost = answers[0][0][1]
        dead = frozenset(json.loads(lost)) if lost else frozenset()
        found = {row[0]: snapshot_of(row[1:-1], row[-1]) for row in answers[1]} if look else {}
        made: list[tuple[Snapshot, bool]] = []
        there: set[str] = set()
        for row, id_ in pairs:
            if row.key is None and row.id is None and id_ not in known:
                made.append((born(row._replace(worker=None) if row.worker in dead else row, id_, now), True))
            elif id_ in found:
                new = found[id_].id == id_
                if row.id is not None:  # it may have had a row; one of this millisecond is taken for its own
                    new = new and found[id_].created_at == now and id_ not in there
                    there.add(id_)
                made.append((found[id_], new))
            else:
                raise RowRefused("The idempotency key is taken, but its task cannot be read.")
        return made

    return Plan(statements, answer)


def insert_keyed_batch(rows: Sequence[NewTask], ids: Sequence[str], known: set[str]) -> Plan:
    """Insert a batch whose first task has an idempotency key: the others only if that one is new."""
    first = insert(rows[:1], ids[:1], known)
    rest = {**postgres_rows.of_new(rows[1:], ids[1:], EXPIRY_MARGIN_MS), "first": ids[0]}

    def answer(now: int, answers: Sequence[Rows]) -> list[tuple[Snapshot, bool]]:
        made: list[tuple[Snapshot, bool]] = first.answer(now, answers)
        if made[0][1]:
            made += [(born(row, id_, now), True) for row, id_ in zip(rows[1:], ids[1:], strict=True)]
        return made

    return Plan([*first.statements, ("insert_behind", rest)], answer)


def together(plans: Sequence[Plan]) -> Plan:
    """Several plans as one, with one result for each."""

    def answer(now: int, answers: Sequence[Rows]) -> list[Any]:
        results, start = [], 0
        for plan in plans:
            end = start + len(plan.statements)
            results.append(plan.answer(now, answers[start:end]))
            start = end
        return results

    return Plan([statement for plan in plans for statement in plan.statements], answer)


def settle(rows: Sequence[Verdict]) -> Plan:
    """Write verdicts; two on one attempt go into statements of their own, one after the other."""
    statements: list[tuple[str, Values]] = []
    written: list[list[tuple[int, Verdict]]] = []
    left = list(enumerate(rows))
    while left:
        first: dict[tuple[str, int], int] = {}
        for number, v in left:
            first.setdefault((v.id, v.attempt), number)
        together = sorted((pair for pair in left if first[pair[1].id, pair[1].attempt] == pair[0]), key=_by_id)
        for status, name, values in _WAYS:
            some = [pair for pair in together if pair[1].status is status]
            if some:
                statements.append((name, values(some)))
                written.append(some)
        left = [pair for pair in left if first[pair[1].id, pair[1].attempt] != pair[0]]

    def answer(now: int, answers: Sequence[Rows]) -> list[bool]:
        won = [True] * len(rows)
        for some, answered in zip(written, answers, strict=True):
            winners = answered[0][1]
            if winners is not None:  # not all of them
                for number, _ in some:
                    won[number] = False
                for number in json.loads(winners):
                    won[number] = True
        return won

    return Plan(statements, answer)


def claim(rows: Sequence[Claim]) -> Plan:
    """Take due tasks, for each asking worker in turn."""
    plans = []
    for row in rows:
        values = {"worker": row.worker, "names": texts(json.loads(row.names)), "margin": EXPIRY_MARGIN_MS}
        if row.ids is not None:
            way = "claim_these", {**values, "id": texts(sorted(row.ids)), "soon": PUBLISH_SOON_MS}
        else:
            way = "claim_lanes" if row.lanes else "claim", {**values, "limit": row.limit}
        plans.append(Plan([way], _taken_together))
    return together(plans)


def publish(rows: Sequence[Publish]) -> Plan:
    """Take tasks to be published again, for each asking process in turn."""
    limits = {"after": PUBLISH_AFTER_MS, "within": PUBLISH_WITHIN_MS}
    plans = []
    for row in rows:
        values = {"names": texts(json.loads(row.names)), "limit": row.limit, **limits}
        plans.append(Plan([("publish", values), ("publish_lanes", values)], _taken_together))
    return together(plans)


def _taken_together(now: int, answers: Sequence[Rows]) -> list[Snapshot]:
    return [snapshot_of(row[1:-1], row[-1]) for answered in answers for row in answered if row[1] is not None]


def progress(rows: Sequence[Progress]) -> Plan:
    """Record progress; of several steps of one attempt the last."""
    last = {(row.id, row.attempt): row for row in rows}
    values = {
        "id": texts(row.id for row in last.values()),
        "attempt": numbers(row.attempt for row in last.values()),
        "fraction": numbers(row.fraction for row in last.values()),
        "message": texts(row.message for row in last.values()),
    }
    return _same("progress", values, [True] * len(rows))


def enlist(rows: Sequence[WorkerRow]) -> Plan:
    """Add workers."""
    values = {
        "id": texts(row.id for row in rows),
        "host": texts(row.host for row in rows),
        "pid": numbers(row.pid for row in rows),
        "names": texts(row.names for row in rows),
        "lease": numbers(row.lease_ms for row in rows),
        "engine": texts(row.engine for row in rows),
        "processes": texts(row.processes for row in rows),
    }
    return _same("enlist", values, [True] * len(rows))


def beat(rows: Sequence[Beat]) -> Plan:
    """Renew leases."""
    ids = [row.worker for row in rows]
    return _named("beat", {"id": texts(sorted(ids)), "lease": max(row.lease_ms for row in rows)}, ids)


def lose(rows: Sequence[Loss]) -> Plan:
    """Declare workers lost."""
    return _named(
        "lose",
        {"id": texts(row.worker for row in rows), "gone": truths(row.gone for row in rows)},
        [row.worker for row in rows],
    )


def dismiss(rows: Sequence[str]) -> Plan:
    """Delete workers' rows."""
    return _named("dismiss", {"id": texts(rows)}, rows)


def retain(rows: Sequence[int]) -> Plan:
    """Remember the retention."""
    return _same("retain", {"age": rows[-1]}, [True] * len(rows))


def prune(rows: Sequence[Prune], now: int) -> Plan:
    """Delete old settled tasks."""
    after = new_id(now)
    statements = [
        ("prune", {"before": new_id(now - row.age_ms), "after": after, "age": row.age_ms, "limit": row.limit})
        for row in rows
    ]
    return Plan(statements, lambda now, answers: [answered[0][1] for answered in answers])


def delete(rows: Sequence[str]) -> Plan:
    """Delete settled tasks."""
    return _named("delete", {"id": texts(sorted(rows))}, rows)


def refresh(rows: Sequence[Sequence[Refresh]]) -> Plan:
    """Name the refreshes in the rows of their keys, where they may start; insert those that are named; look which."""
    items = [item for row in rows for item in row]
    statements: list[tuple[str, Values]] = []
    for force in (False, True):
        first = {(item.new.name, item.key): item for item in reversed(items) if item.force is force}
        if first:  # of two of one key in one transaction the first
            statements.append(("start_refresh", {**postgres_rows.of_refreshes(list(first.values())), "force": force}))
    new = [item.new._replace(latest=item.key) for item in items]
    ids = [item.task for item in items]
    statements += [
        ("insert_named", postgres_rows.of_new(new, ids, EXPIRY_MARGIN_MS)),
        ("inserted", postgres_rows.of_keys(new, ids)),
    ]

    def answer(now: int, answers: Sequence[Rows]) -> list[list[Snapshot | None]]:
        found = {row[0]: snapshot_of(row[1:-1], row[-1]) for row in answers[-1]}
        return [[found.get(item.task) for item in row] for row in rows]

    return Plan(statements, answer)


def put(rows: Sequence[Put]) -> Plan:
    """Write values by hand, one after the other."""
    statements = [("put", {**row._asdict(), **row.policy._asdict()}) for row in rows]
    return Plan(statements, _any)


def purge(rows: Sequence[Purge]) -> Plan:
    """Forget keys, one after the other."""
    return Plan([("purge", row._asdict()) for row in rows], _any)


def forget(rows: Sequence[int]) -> Plan:
    """Forget keys that were not refreshed for long."""
    return Plan([("forget", {"limit": limit}) for limit in rows], lambda now, answers: [a[0][1] for a in answers])


def _any(now: int, answers: Sequence[Rows]) -> list[bool]:
    return [answered[0][1] > 0 for answered in answers]


def bounds_of(rows: Sequence[Verdict], now: int) -> list[int]:
    """The bounds of successes that a transaction must not outlast: all near ones, and the next after them."""
    all_ = {v.row.settles_at for v in rows if v.status is Status.COMPLETED and v.row is not None}
    near = [bound for bound in all_ if abs(bound - now) < NEAR_MS]
    later = [bound for bound in all_ if bound - now >= NEAR_MS]
    return [*near, min(later)] if later else near


NEAR_MS = 60_000
_WAYS: tuple[tuple[Status, str, Callable[[Sequence[tuple[int, Verdict]]], Values]], ...] = (
    (Status.COMPLETED, "complete", postgres_rows.of_success),
    (Status.FAILED, "fail", postgres_rows.of_failure),
    (Status.PENDING, "put_back", postgres_rows.of_return),
)


def _by_id(pair: tuple[int, Verdict]) -> str:
    return pair[1].id


def _same(name: str, values: Values, results: list[bool]) -> Plan:
    """A statement whose answer is known."""
    return Plan([(name, values)], lambda now, answers: results)


def _named(name: str, values: Values, ids: Sequence[str]) -> Plan:
    """A statement that answers with the ids that it changed."""

    def answer(now: int, answers: Sequence[Rows]) -> list[bool]:
        changed = set(json.loads(answers[0][0][1]))
        return [id_ in changed for id_ in ids]

    return Plan([(name, values)], answer)
