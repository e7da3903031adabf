"""Lanes: never more at once than they have places, never sooner than their rate, over all stores; none is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settled.errors import LedgerUnavailable
from settled.records import Snapshot
from settled.states import Status
from settled.stores.base import Claim, Due, Loss, Prune, Publish, Store
from tests.stores.making import failure, new_task, put_back, success, worker_row
from tests.stores.worlds import WORLDS, World, write

Make = Callable[..., Snapshot]
NAMES = '["work"]'


@pytest.fixture(autouse=True)
def me(store: Store) -> None:
    write(store, "enlist", worker_row("me"))


def insert(store: Store, number: int, **changes: Any) -> list[Snapshot]:
    return [row for row, _ in write(store, "insert", *[new_task(**changes) for _ in range(number)])]


def claim(store: Store, limit: int = 100, names: str = NAMES) -> list[Snapshot]:
    claimed: list[Snapshot] = write(store, "claim", Claim("me", names, limit, None, True))[0]
    return claimed


def claim_one(store: Store, task_id: str) -> list[Snapshot]:
    claimed: list[Snapshot] = write(store, "claim", Claim("me", NAMES, 1, [task_id]))[0]
    return claimed


def publish(store: Store, limit: int = 100) -> list[str]:
    return [row.id for row in write(store, "publish", Publish(NAMES, limit))[0]]


def test_no_more_run_at_once_than_a_lane_has_places_and_the_longest_waiting_come_first(
    world: World, store: Store
) -> None:
    first = insert(store, 2, lane="a", lane_places=2)
    world.advance(1)
    rest = insert(store, 3, lane="a", lane_places=2)
    claimed = claim(store)
    assert {row.id for row in claimed} == {row.id for row in first}
    assert {(row.status, row.attempt, row.worker, row.started_at) for row in claimed} == {
        (Status.RUNNING, 1, "me", store.now())
    }
    assert claim(store) == []
    write(store, "settle", success(claimed[0]))
    assert [row.id in {task.id for task in rest} for row in claim(store)] == [True]


def test_one_lane_does_not_stand_in_the_way_of_another_or_of_what_is_in_none(store: Store) -> None:
    insert(store, 5, lane="full", lane_places=1)
    insert(store, 1, lane="other", lane_places=1)
    free = insert(store, 1)
    assert sorted(str(row.lane) for row in claim(store)) == ["full", "other"]
    assert claim(store) == []
    assert [row.id for row in write(store, "claim", Claim("me", NAMES, 9))[0]] == [free[0].id]


def test_of_several_that_are_asked_for_those_are_claimed_that_are_free_or_have_room(store: Store) -> None:
    free = insert(store, 2)
    of_lanes = insert(store, 2, lane="a", lane_places=1) + insert(store, 2, lane="b", lane_places=2)
    unasked = insert(store, 1)
    asked = [row.id for row in [free[0], *of_lanes]] + ["unknown"]
    claimed: list[Snapshot] = write(store, "claim", Claim("me", NAMES, len(asked), asked))[0]
    assert sorted((str(row.lane), row.status, row.attempt) for row in claimed) == [
        ("None", Status.RUNNING, 1), ("a", Status.RUNNING, 1), ("b", Status.RUNNING, 1), ("b", Status.RUNNING, 1),
    ]  # fmt: skip
    assert {row.id for row in claimed} < set(asked)
    assert write(store, "claim", Claim("me", NAMES, len(asked), asked))[0] == []
    assert store.read([unasked[0].id])[0].status is Status.PENDING


def test_no_more_are_claimed_than_asked_for_over_all_lanes(store: Store) -> None:
    for lane in "abc":
        insert(store, 3, lane=lane, lane_places=2)
    assert len(claim(store, 3)) == 3
    assert len(claim(store, 9)) == 3
    assert claim(store, 9) == []


def test_only_known_names_are_claimed_from_a_lane(store: Store) -> None:
    insert(store, 1, name="other", lane="a", lane_places=5)
    mine = insert(store, 1, lane="a", lane_places=5)
    assert [row.id for row in claim(store)] == [mine[0].id]


def test_starts_lie_a_gap_apart(world: World, store: Store) -> None:
    insert(store, 3, lane="a", lane_gap_us=1_000_000)
    assert len(claim(store)) == 1
    world.advance(0.999)
    assert claim(store) == []
    world.advance(0.001)
    assert len(claim(store)) == 1
    world.advance(5)
    assert len(claim(store)) == 1  # what was not used is not saved up
    assert store.next_in_lanes(NAMES) is None


def test_short_gaps_are_counted_together(world: World, store: Store) -> None:
    insert(store, 100, lane="a", lane_gap_us=20_000)
    started = [len(claim(store))]
    for _ in range(10):
        world.advance(0.1)
        started.append(len(claim(store)))
    assert started == [5] * 11


def test_another_attempt_counts_as_a_start(world: World, store: Store) -> None:
    insert(store, 2, lane="a", lane_gap_us=1_000_000)
    row = claim(store)[0]
    write(store, "settle", put_back(row, row.as_of, row.as_of + 9_000))
    assert claim(store) == []
    world.advance(1)
    assert len(claim(store)) == 1


@pytest.mark.parametrize("how", ["settled", "put back", "worker lost and its task settled"])
def test_whatever_ends_an_attempt_frees_its_place(store: Store, how: str) -> None:
    insert(store, 2, lane="a", lane_places=1)
    row = claim(store)[0]
    if how == "put back":
        write(store, "settle", put_back(row, row.as_of + 5_000, row.as_of + 9_000))
    else:
        if how != "settled":
            write(store, "enlist", worker_row("other"))
            write(store, "lose", Loss("other", gone=True))
        write(store, "settle", failure(row))
    assert len(claim(store)) == 1


def test_a_worker_that_is_no_more_gets_nothing_and_takes_no_place_of_the_rate(store: Store) -> None:
    insert(store, 1, lane="a", lane_gap_us=1_000_000)
    write(store, "lose", Loss("me", gone=True))
    assert claim(store) == []
    write(store, "enlist", worker_row("you"))
    assert len(write(store, "claim", Claim("you", NAMES, 9, None, True))[0]) == 1


def test_what_waited_for_its_lane_too_long_is_not_claimed_any_more(world: World, store: Store) -> None:
    insert(store, 1, lane="a", lane_places=1)
    world.advance(20)
    assert claim(store) == []
    assert store.next_in_lanes(NAMES) is None


def test_what_there_is_to_claim_is_known_before(world: World, store: Store) -> None:
    assert store.next_due(NAMES) == Due(None, False)
    insert(store, 2, lane="a", lane_places=1)
    now = store.now()
    assert store.next_due(NAMES) == Due(None, True)
    assert store.next_in_lanes(NAMES) == now
    row = claim(store)[0]
    assert store.next_in_lanes(NAMES) is None  # full: whoever ends frees it
    write(store, "settle", success(row))
    insert(store, 2, lane="b", lane_gap_us=3_000_000)
    assert len(claim(store)) == 2
    assert store.next_in_lanes(NAMES) == now + 3_000
    assert store.next_in_lanes('["other"]') is None


def test_a_task_that_is_asked_for_starts_only_if_its_lane_has_room(world: World, store: Store) -> None:
    first, second = insert(store, 2, lane="a", lane_places=1)
    assert [row.id for row in claim_one(store, second.id)] == [second.id]
    assert claim_one(store, first.id) == []
    assert claim_one(store, second.id) == []
    write(store, "settle", success(store.read([second.id])[0]))
    assert [row.id for row in claim_one(store, first.id)] == [first.id]
    one, other = insert(store, 2, lane="r", lane_gap_us=1_000_000)
    assert claim_one(store, one.id)
    assert claim_one(store, other.id) == []
    world.advance(1)
    assert claim_one(store, other.id)


def test_an_engine_is_told_of_no_more_than_may_start(world: World, store: Store) -> None:
    rows = insert(store, 5, lane="a", lane_places=2)
    assert store.next_publish(NAMES) == store.now()
    assert publish(store) == [row.id for row in rows[:2]]
    assert publish(store) == []  # two are on their way
    assert claim_one(store, rows[0].id)
    assert publish(store) == []
    write(store, "settle", success(store.read([rows[0].id])[0]))
    assert publish(store) == [rows[2].id]


def test_a_message_that_was_lost_is_sent_again(world: World, store: Store) -> None:
    rows = insert(store, 2, lane="a", lane_places=1)
    assert publish(store) == [rows[0].id]
    world.advance(4.9)
    assert publish(store) == []
    world.advance(0.1)
    assert publish(store) == [rows[0].id]


def test_a_task_that_was_brought_while_its_lane_was_full_is_published_again_soon(world: World, store: Store) -> None:
    first, second = insert(store, 2, lane="a", lane_places=1)
    assert publish(store) == [first.id]
    assert claim_one(store, second.id)  # another engine brought it
    assert claim_one(store, first.id) == []
    write(store, "settle", success(store.read([second.id])[0]))
    assert publish(store) == []
    world.advance(1)
    assert publish(store) == [first.id]


def test_a_rate_is_forgotten_when_it_has_no_say_any_more(world: World, store: Store) -> None:
    insert(store, 1, lane="a", lane_gap_us=1_000_000)
    claim(store)
    table = f"{store.place.quoted}.task_lanes" if hasattr(store, "place") else "task_lanes"
    write(store, "prune", Prune(1_000, 10))
    assert len(world.sql(f"SELECT lane FROM {table}")) == 1
    world.advance(2)
    write(store, "prune", Prune(1_000, 10))
    assert world.sql(f"SELECT lane FROM {table}") == []


def end(store: Store, row: Snapshot, until: float) -> None:
    """Settle it though others keep the ledger locked for long: one that never ended would keep its place."""
    while time.monotonic() < until:
        with suppress(LedgerUnavailable):
            write(store, "settle", success(row))
            return


def test_stores_that_race_for_a_lane_never_overfill_it(world: World, store: Store) -> None:
    """Each claims, checks what runs by its own eyes, and settles: the number that ran at once is read from the rows."""
    for lane, places in {"a": 1, "b": 3}.items():
        insert(store, 40, lane=lane, lane_places=places)
    racers = [world.open() for _ in range(4)]
    start = threading.Barrier(len(racers))
    most = {"a": 0, "b": 0}
    ran: list[str] = []
    guard = threading.Lock()
    running: dict[str, int] = {"a": 0, "b": 0}

    until = time.monotonic() + 90

    def race(racer: Store) -> None:
        start.wait(timeout=10)
        while len(ran) < 80 and time.monotonic() < until:
            try:
                claimed = claim(racer, 4)
                with guard:
                    for row in claimed:
                        running[str(row.lane)] += 1
                        most[str(row.lane)] = max(most[str(row.lane)], running[str(row.lane)])
                        ran.append(row.id)
                for row in claimed:
                    with guard:
                        running[str(row.lane)] -= 1  # before it is written: from then on another may begin
                    end(racer, row, until)
            except LedgerUnavailable:  # the others kept it locked for long
                continue

    threads = [threading.Thread(target=race, args=(racer,)) for racer in racers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=100)
    assert len(ran) == len(set(ran)) == 80
    assert most["a"] == 1
    assert 1 <= most["b"] <= 3


ACTS = st.one_of(
    st.tuples(st.just("insert"), st.sampled_from("abc"), st.integers(1, 4)),
    st.tuples(st.just("claim"), st.integers(0, 1), st.integers(1, 6)),
    st.tuples(st.just("ask"), st.integers(0, 1), st.integers(0, 30)),
    st.tuples(st.just("end"), st.integers(0, 30), st.sampled_from(["success", "failure", "put back"])),
    st.tuples(st.just("advance"), st.just(0), st.sampled_from([1, 50, 250, 333, 1_000])),
)
LIMITS: dict[str, dict[str, Any]] = {
    "a": {"lane_places": 2},
    "b": {"lane_gap_us": 250_000},
    "c": {"lane_places": 1, "lane_gap_us": 333_334},
}


@pytest.mark.parametrize("kind", WORLDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=st.lists(ACTS, max_size=40))
def test_whatever_happens_the_limits_hold(kind: str, acts: list[tuple[str, Any, Any]], tmp_path_factory: Any) -> None:
    world = WORLDS[kind](tmp_path_factory.mktemp("lanes"))
    try:
        stores = [world.open(), world.open()]
        write(stores[0], "enlist", worker_row("me"))
        known: list[Snapshot] = []
        running: list[Snapshot] = []
        starts: dict[str, list[int]] = {"a": [], "b": [], "c": []}
        for act, one, other in acts:
            began: list[Snapshot] = []
            if act == "insert":
                known += insert(stores[0], other, lane=one, **LIMITS[one])
            elif act == "claim":
                began = claim(stores[one], other)
            elif act == "ask" and known:
                began = claim_one(stores[one], known[other % len(known)].id)
            elif act == "end" and running:
                row = running.pop(one % len(running))
                back = put_back(row, stores[0].now(), row.settles_at - 1)
                ends = {"success": success(row), "failure": failure(row), "put back": back}
                write(stores[0], "settle", ends[other])
            elif act == "advance":
                world.advance(other / 1000)
            running += began
            for row in began:
                starts[str(row.lane)].append(row.started_at or 0)
            for lane, limit in LIMITS.items():
                now_running = sum(row.lane == lane for row in running)
                assert now_running <= limit.get("lane_places", now_running)
        for lane in "bc":
            pauses = [b - a for a, b in zip(starts[lane], starts[lane][1:], strict=False)]
            assert all(pause * 1000 >= LIMITS[lane]["lane_gap_us"] - 1_000 for pause in pauses)
    finally:
        world.close()
