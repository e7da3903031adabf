"""What an engine is told of again, and when: each task's turn is one process's, and its pauses grow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from settled.records import Snapshot, Verdict
from settled.states import Status
from settled.stores.base import Claim, Publish, Store
from tests.stores.making import POLICY, worker_row
from tests.stores.worlds import World, write

Make = Callable[..., Snapshot]


def turn(store: Store, names: tuple[str, ...] = ("work",), limit: int = 100) -> list[str]:
    return [row.id for row in write(store, "publish", Publish(json.dumps(names), limit))[0]]


def test_a_new_task_has_its_turn_five_seconds_after_it_was_due(world: World, store: Store, pending: Make) -> None:
    task = pending(name="work")
    world.advance(4.9)
    assert turn(store) == []
    world.advance(0.2)
    assert turn(store) == [task.id]


def test_a_turn_is_taken_once_and_the_next_is_as_far_away_as_the_task_is_old(
    world: World, store: Store, pending: Make
) -> None:
    pending(name="work", policy=replace(POLICY, start_timeout=10000))
    other = world.open()
    for pause in (5, 5, 10, 20):  # at the ages of 5, 10, 20 and 40 seconds
        world.advance(pause - 0.1)
        assert turn(store) == turn(other) == []
        world.advance(0.1)
        assert len(turn(store) + turn(other)) == 1


def test_pauses_have_a_limit(world: World, store: Store, pending: Make) -> None:
    pending(name="work", policy=replace(POLICY, start_timeout=100000))
    world.advance(50_000)
    assert len(turn(store)) == 1
    world.advance(599)
    assert turn(store) == []
    world.advance(2)
    assert len(turn(store)) == 1


def test_a_further_attempt_has_its_turn_when_it_is_due(world: World, store: Store, running: Make) -> None:
    task = running(name="work")
    due = task.as_of + 2_000
    write(
        store, "settle", Verdict(task.id, 1, Status.PENDING, None, None, "again", due_at=due, deadline_at=due + 5_000)
    )
    assert store.next_publish('["work"]') == due
    world.advance(1.9)
    assert turn(store) == []
    world.advance(0.2)
    assert turn(store) == [task.id]


def test_only_what_is_pending_in_time_and_of_these_names_has_a_turn(
    world: World, store: Store, pending: Make, running: Make
) -> None:
    running(name="work")
    pending(name="other")
    late = pending(name="work", policy=replace(POLICY, start_timeout=5.5))
    claimed = pending(name="work")
    write(store, "enlist", worker_row("other"))
    write(store, "claim", Claim("other", '["work"]', 1, [claimed.id]))
    world.advance(5.2)
    assert turn(store) == [late.id]
    world.advance(6.0)
    assert turn(store) == []
    assert store.next_publish('["unknown"]') is None


def test_no_more_are_taken_than_were_asked_for(world: World, store: Store, pending: Make) -> None:
    made = {pending(name="work").id for _ in range(3)}
    world.advance(6)
    first = turn(store, limit=2)
    assert len(first) == 2
    assert {*first, *turn(store, limit=2)} == made
