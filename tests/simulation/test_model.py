"""What the code does is what the model lets through: traces of simulated runs, and of real ones on SQLite."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from model.trace import Step, accepted, program
from settled import verdicts
from settled.ledger import Ledger
from settled.records import Snapshot
from settled.states import Reason, Status
from settled.stores.base import Change, Written
from tests.core.host import Host, submitted
from tests.simulation import stand_ins
from tests.simulation.plan import plan_of
from tests.simulation.stage import BINDINGS, run
from tests.stores.making import success

SEEDS = 12
pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="Spin is missing: make model installs it")


def test_traces_of_simulated_runs_are_runs_of_the_model(tmp_path: Path) -> None:
    with stand_ins.inside(*BINDINGS):
        results = [run(plan_of(seed)) for seed in range(SEEDS)]
    for result in results:
        for task_id in {change[4].id for change in result.changes if change[4] is not None}:
            assert accepted(program(result.changes, task_id), tmp_path) == ""


def test_a_trace_that_the_model_forbids_is_refused(tmp_path: Path) -> None:
    with stand_ins.inside(*BINDINGS):
        changes = next(r.changes for r in map(run, map(plan_of, range(50))) if any(c[1] == "settle" for c in r.changes))
    last = next(change for change in reversed(changes) if change[1] == "settle")
    assert last[4] is not None
    assert accepted(program(changes, last[4].id), tmp_path) == ""
    assert "assertion violated" in accepted(program([*changes, last], last[4].id), tmp_path)


def recorded(ledger: Ledger, steps: list[Step], rows: dict[str, Snapshot]) -> None:
    """Note what goes through the one door for writing."""
    write: Callable[[Sequence[Change]], Written] = ledger.store.write

    def noted(changes: Sequence[Change]) -> Written:
        written = write(changes)
        for (verb, asked), found in zip(changes, written.results, strict=True):
            for row, result in zip(asked, found, strict=True):
                steps.extend(_steps(written.now, verb, row, result, rows))
        return written

    ledger.store.write = noted  # type: ignore[method-assign]


def _steps(now: int, verb: str, asked: Any, result: Any, rows: dict[str, Snapshot]) -> list[Step]:
    if verb in ("enlist", "dismiss", "lose"):
        return [(now, verb, asked, None, None)] if result else []
    after: list[Snapshot] = []
    if verb == "insert":
        after = [result[0]]
    elif verb == "claim":
        after = result
    elif verb == "settle" and result:
        after = [rows[asked.id]._replace(status=asked.status, deadline_at=asked.deadline_at or 0)]
    steps: list[Step] = [(now, verb, asked, rows.get(row.id), row) for row in after]
    rows.update((row.id, row) for row in after)
    return steps


def test_a_real_run_on_sqlite_is_a_run_of_the_model(tmp_path: Path) -> None:
    host = Host(tmp_path)
    steps: list[Step] = []
    rows: dict[str, Snapshot] = {}
    one, two = host.ledger(), host.ledger()
    for ledger in (one, two):
        recorded(ledger, steps, rows)
        ledger.membership.enlist(["work"])
    done, lost, late = (submitted(one) for _ in range(3))
    claimed = {row.id: row for row in one.claim(str(one.worker), ["work"], 3)}
    broken = verdicts.of_attempt(claimed[done.id]._replace(as_of=one.store.now()), Reason.EXCEPTION, "It broke.")
    assert one.settle_now(broken)
    host.advance(2)
    assert one.settle_now(success(two.claim(str(two.worker), ["work"], 1)[0]._replace(status=Status.RUNNING)))
    host.dead.add(str(one.worker))
    assert two.get(lost.id).status is Status.PENDING  # its worker is dead: put back
    assert not one.settle_now(success(claimed[lost.id]))
    host.advance(200)
    assert {two.get(row.id).status for row in (lost, late)} == {Status.FAILED}
    for row in (done, lost, late):
        assert accepted(program(steps, row.id), tmp_path) == ""
    host.close()
