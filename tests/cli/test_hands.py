"""``settled cancel``, ``retry``, ``sweep`` and ``prune``."""

from __future__ import annotations

import json

import pytest

from settled.ids import new_id
from settled.states import Reason, Status


def test_cancel_settles_each_task_and_tells_whoever_waits_why(home, settled):
    rows = [home.pending(), home.running()]
    said = settled("cancel", *[row.id for row in rows], "--message", "Not needed any more.")
    assert said.status == 0
    assert said.lines == [f"{row.id} failed, cancelled" for row in rows]
    for row in rows:
        now = home.ledger.get(row.id)
        assert (now.reason, now.error_message) == (Reason.CANCELLED, "Not needed any more.")


def test_cancel_of_a_settled_task_is_refused_and_the_next_is_cancelled_all_the_same(home, settled):
    done, open_ = home.completed(), home.pending()
    said = settled("cancel", done.id, open_.id)
    assert said.status == 1
    assert f"settled: {done.id}: The task has already settled as completed" in said.err
    assert home.ledger.get(open_.id).reason is Reason.CANCELLED


def test_cancel_of_an_unknown_task_exits_3(home, settled):
    assert settled("cancel", new_id(home.ledger.store.now())).status == 3


def test_retry_prints_the_id_of_the_new_task_and_nothing_else(home, settled):
    row = home.failed()
    said = settled("retry", row.id)
    (new,) = said.lines
    assert said.status == 0
    assert home.ledger.get(new).retry_of == row.id
    assert home.ledger.get(new).status is Status.PENDING


def test_retry_asked_twice_names_the_same_new_task(home, settled):
    row = home.failed()
    first, second = settled("retry", row.id), settled("retry", row.id)
    assert first.out == second.out
    assert "already" in second.err


def test_retry_of_an_open_task_is_refused(home, settled):
    said = settled("retry", home.running().id)
    assert said.status == 1
    assert "still running" in said.err


def test_sweep_settles_however_many_rows_are_overdue(home, settled):
    home.overdue(1_200)
    assert settled("sweep", "--json").json == {"swept": 1_200}
    assert settled("sweep").out == "Nothing was overdue.\n"
    assert home.ledger.counts()["never_started"] == 1_200


def test_prune_deletes_settled_tasks_older_than_asked_and_no_open_one(home, settled):
    home.overdue(3)  # created in 1970 by their ids, settled now
    kept = home.pending()
    assert settled("prune", "--older-than", "1h", "--json").json == {"pruned": 0}
    settled("prune", "--older-than", "0")
    assert [row.id for row in home.ledger.list()] == [kept.id]


@pytest.mark.parametrize("age", ["-1", "soon", "1y", "nan", "inf", "9" * 400])
def test_prune_refuses_an_age_that_is_none(home, settled, age):
    home.completed()
    said = settled("prune", f"--older-than={age}")
    assert said.status == 2
    assert len(home.ledger.list()) == 1


def test_every_hand_answers_machines_in_json(home, settled):
    row = home.pending()
    assert settled("cancel", row.id, "--json").json["error"]["reason"] == "cancelled"
    new = settled("retry", row.id, "--json").json
    assert new["retry_of"] == row.id
    assert json.loads(settled("cancel", new["id"], "--json").out)["id"] == new["id"]
