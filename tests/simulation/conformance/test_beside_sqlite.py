"""Any history of writes, on the database of the simulation and on SQLite at once: the same answers, the same rows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settled.clock import ManualClock
from settled.records import LatestPolicy, Snapshot, Verdict
from settled.states import Reason, Status
from settled.stores.base import (
    Beat,
    Change,
    Claim,
    Loss,
    Progress,
    Prune,
    Publish,
    Purge,
    Put,
    Refresh,
    RowRefused,
    Store,
)
from settled.stores.sqlite import SQLiteStore
from tests.effort import EFFORT
from tests.simulation.stand_ins import EPOCH_MS
from tests.simulation.world import SimulatedWorld
from tests.stores.making import POLICY, new_task, worker_row

NAMES = '["work"]'
WORKERS = ("a", "b")
LIMITS: dict[str, dict[str, int]] = {
    "a": {"lane_places": 2}, "b": {"lane_gap_us": 250_000}, "c": {"lane_places": 1, "lane_gap_us": 20_000},
}  # fmt: skip
KEPT = LatestPolicy(fresh_ms=4_000, retry_ms=1_000, retry_cap_ms=5_000, keep_ms=9_000, history=2)
small = st.integers(0, 5)
steps = st.one_of(
    st.tuples(st.just("insert"), st.sampled_from([None, "k"]), st.sampled_from([None, *WORKERS])),
    st.tuples(st.just("in a lane"), st.sampled_from(["a", "b", "c"])),
    st.tuples(st.just("claim in lanes"), st.sampled_from(WORKERS), st.integers(1, 3)),
    st.tuples(
        st.just("settle"), small, st.integers(0, 3), st.sampled_from([Status.COMPLETED, Status.FAILED, Status.PENDING]),
        st.sampled_from([Status.PENDING, Status.RUNNING]), st.booleans(),
        st.sampled_from([Reason.TIMEOUT, Reason.WORKER_LOST]),
    ),
    st.tuples(st.just("claim"), st.sampled_from(WORKERS), st.integers(1, 2), st.none() | small),
    st.tuples(st.just("publish"), st.integers(1, 2)),
    st.tuples(st.just("progress"), small, st.integers(0, 2)),
    st.tuples(st.just("enlist"), st.sampled_from(WORKERS)),
    st.tuples(st.just("beat"), st.sampled_from(WORKERS)),
    st.tuples(st.just("lose"), st.sampled_from(WORKERS), st.booleans()),
    st.tuples(st.just("dismiss"), st.sampled_from(WORKERS)),
    st.tuples(st.just("prune"), st.sampled_from([1_000, 60_000])),
    st.tuples(st.just("delete"), small),
    st.tuples(st.just("refresh"), st.sampled_from(["x", "y"]), st.booleans(), st.sampled_from([None, *WORKERS])),
    st.tuples(st.just("put"), st.sampled_from(["x", "y"]), st.none() | small),
    st.tuples(st.just("purge"), st.sampled_from(["x", "y"]), st.none() | small),
    st.tuples(st.just("forget"), st.integers(1, 2)),
    st.tuples(st.just("pass"), st.sampled_from([0.001, 0.25, 1.0, 5.001, 12.0, 70.0])),
)  # fmt: skip


class Both:
    """The two, on clocks that go together, with the same ids."""

    def __init__(self, folder: Path) -> None:
        self.world = SimulatedWorld()
        self.clock = ManualClock(EPOCH_MS)
        self.sqlite = SQLiteStore(folder / "ledger.db", self.clock)
        self.sqlite.open()
        self.ours = self.world.open()
        self.ids: list[str] = []

    def task(self, number: int) -> str:
        return self.ids[number % len(self.ids)] if self.ids else "none"

    def change(self, verb: str, *values: Any) -> Change:
        if verb == "insert":
            key, worker = values
            self.ids.append(f"018bcfe5-{len(self.ids):04x}-7000-8000-000000000000")
            return Change(verb, [new_task(policy=POLICY, key=key or self.ids[-1], worker=worker, id=self.ids[-1])])
        if verb == "in a lane":
            self.ids.append(f"018bcfe5-{len(self.ids):04x}-7000-8000-000000000000")
            (lane,) = values
            new = new_task(policy=POLICY, key=self.ids[-1], lane=lane, id=self.ids[-1], **LIMITS[lane])
            return Change("insert", [new])
        if verb == "claim in lanes":
            worker, limit = values
            return Change("claim", [Claim(worker, NAMES, limit, None, True)])
        if verb == "settle":
            return Change(verb, [self.verdict(*values)])
        if verb == "claim":
            worker, limit, number = values
            return Change(verb, [Claim(worker, NAMES, limit, None if number is None else [self.task(number)])])
        if verb == "progress":
            return Change(verb, [Progress(self.task(values[0]), values[1], 0.5, "half")])
        if verb == "delete":
            return Change(verb, [self.task(values[0])])
        if verb == "refresh":
            key, force, worker = values
            self.ids.append(f"018bcfe5-{len(self.ids):04x}-7000-8000-000000000000")
            return Change(verb, [[Refresh(key, self.ids[-1], new_task(policy=POLICY, worker=worker), KEPT, force)]])
        if verb in ("put", "purge"):
            key, number = values
            gone = None if number is None else self.task(number)
            return Change(verb, [Put("work", key, "[1]", KEPT, gone) if verb == "put" else Purge("work", key, gone)])
        made = {
            "forget": int, "publish": lambda limit: Publish(NAMES, limit), "enlist": worker_row, "lose": Loss,
            "beat": lambda worker: Beat(worker, 2_500), "dismiss": str, "prune": lambda age: Prune(age, 10),
        }[verb](*values)  # fmt: skip
        return Change(verb, [made])

    def verdict(self, number: int, attempt: int, status: Status, seen: Status, expiry: bool, reason: Reason) -> Verdict:
        now = self.sqlite.now()
        failed, again = status is Status.FAILED, status is Status.PENDING
        return Verdict(
            self.task(number), attempt, status, '"x"' if status is Status.COMPLETED else None,
            reason if failed else None, None if status is Status.COMPLETED else "Why.", seen=seen,
            due_at=now + 500 if again else 0, deadline_at=now + 900 if again else 0, expiry=expiry,
        )  # fmt: skip

    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)
        self.clock.advance(seconds)

    def close(self) -> None:
        self.sqlite.close()


def answer(store: Store, change: Change) -> Any:
    try:
        return store.write([change])
    except RowRefused:
        return "refused"


def seen(store: Store, ids: Sequence[str]) -> list[Any]:
    def rows(found: Sequence[Snapshot]) -> list[Snapshot]:
        return sorted(found, key=lambda row: row.id)

    return [
        rows(store.read(ids)), rows(store.overdue(10)), rows(store.orphans(10)), store.next_deadline(),
        store.next_due(NAMES), store.next_in_lanes(NAMES), store.next_publish(NAMES),
        store.pulse()[1:], store.counts(), store.backlog(),
        sorted(store.workers()), store.list_latest(None, None, 9), store.list_latest("work", None, 9, failing=True),
        store.former("work", "x", 9), sorted(store.latest([("work", "x"), ("work", "y")])),
        [row.id for row in store.select(None, None, None, None, 10)],
    ]  # fmt: skip


@settings(max_examples=60 * EFFORT, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=5, max_size=40))
def test_any_history_is_the_same_on_sqlite(history: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        both = Both(Path(folder))
        try:
            for verb, *values in history:
                if verb == "pass":
                    both.advance(*values)
                    continue
                change = both.change(verb, *values)
                theirs, ours = answer(both.sqlite, change), answer(both.ours, change)
                if verb != "enlist":  # whether it was new is nobody's business
                    assert ours == theirs
                assert seen(both.ours, both.ids) == seen(both.sqlite, both.ids)
        finally:
            both.close()
