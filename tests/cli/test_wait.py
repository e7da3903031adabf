"""``settled wait`` says by its exit status how the task ended."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

from settled.cli import waiting
from settled.ids import new_id
from settled.states import Reason
from tests.stores.making import success


def test_completed_exits_0_with_the_result(home, settled):
    said = settled("wait", home.completed('{"n": 1}').id)
    assert (said.status, said.out) == (0, 'completed: {"n": 1}\n')


def test_failed_exits_1_with_the_reason(home, settled):
    said = settled("wait", home.failed("Too slow.", Reason.TIMEOUT).id)
    assert (said.status, said.out) == (1, "failed: timeout: Too slow.\n")


def test_no_id_exits_2(home, settled):
    assert settled("wait", "4711").status == 2


def test_a_task_is_waited_for_by_the_id_that_another_system_gave_it(home, settled):
    row = home.pending(id="celery-7f3a", key="celery-7f3a")
    assert settled("wait", row.id, "--timeout", "0").status == 5


def test_an_unknown_task_exits_3(home, settled):
    said = settled("wait", new_id(home.ledger.store.now()))
    assert said.status == 3
    assert said.out.startswith("unknown: No task has the id")


def test_a_file_that_is_no_ledger_exits_2(folder, settled):
    (folder / "tasks.db").write_text("This is no database, and long enough to be told from an empty one.\n" * 20)
    said = settled("wait", new_id(1_700_000_000_000))
    assert (said.status, said.out) == (2, "")
    assert "no SQLite database" in said.err


def test_a_ledger_that_cannot_be_read_exits_4(folder, settled):
    with closing(sqlite3.connect(folder / "tasks.db")) as whole:
        whole.execute("CREATE TABLE one (a)")
    sound = (folder / "tasks.db").read_bytes()
    (folder / "tasks.db").write_bytes(sound[:100] + b"\xff" * (len(sound) - 100))
    said = settled("wait", new_id(1_700_000_000_000))
    assert (said.status, said.out) == (4, "")
    assert "cannot be used now" in said.err


def test_a_wait_that_was_given_up_exits_5_and_the_task_goes_on(home, settled):
    row = home.pending()
    said = settled("wait", row.id, "--timeout", "20ms")
    assert said.status == 5
    assert "the task goes on" in said.out
    assert not home.ledger.get(row.id).settled


def test_ctrl_c_gives_up_the_wait(home, settled, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting.waiter, "wait", interrupted)
    assert settled("wait", home.pending().id).status == 5


def test_json_tells_the_end_and_the_task(home, settled):
    row = home.failed("Too slow.", Reason.TIMEOUT)
    said = settled("wait", row.id, "--json").json
    assert (said["end"], said["reason"], said["message"], said["task"]["id"]) == (
        "failed",
        "timeout",
        "Too slow.",
        row.id,
    )
    assert settled("wait", home.pending().id, "--timeout", "0", "--json").json["task"] is None


def test_a_wait_ends_when_another_process_settles_the_task(home, settled):
    row = home.running()
    ended = []
    thread = threading.Thread(target=lambda: ended.append(settled("wait", row.id)))
    thread.start()
    assert home.ledger.settle_now(success(row))
    thread.join(timeout=10)
    assert ended[0].status == 0


def test_a_task_past_its_bound_ends_the_wait_though_nothing_can_be_written(home, settled):
    (overdue,) = home.overdue()
    lock = sqlite3.connect(home.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        said = settled("wait", overdue)
    finally:
        lock.close()
    assert said.status == 1
    assert said.out.startswith("failed: never_started")
    assert "could not be settled now" in said.err
