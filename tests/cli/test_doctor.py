"""The doctor: what is healthy exits 0, warnings too; a broken promise exits 1."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from settled import doctor
from settled.clock import ManualClock
from settled.ledger import Ledger
from settled.records import Finding
from settled.stores import disk_check, sqlite_check
from settled.stores.base import Beat, Change
from settled.stores.sqlite import SQL, SQLiteStore
from tests.stores.making import new_task, success, worker_row

ELSEWHERE = {"disk", "file system"}  # what depends on the machine that runs the tests


def found(said, subject: str) -> list[tuple[str, str]]:
    return [(f["level"], f["message"]) for f in said.json["findings"] if f["subject"] == subject]


def of(findings: list[Finding], subject: str) -> Finding:
    return next(finding for finding in findings if finding.subject == subject)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def ledger(tmp_path, clock):
    made = Ledger(SQLiteStore(tmp_path / "manual.db", clock), lease=30)
    made.open()
    yield made
    made.close()


# -- the promise


def test_a_healthy_ledger_exits_0_with_nothing_to_say(home, settled):
    home.running(), home.completed()
    said = settled("doctor", "--deep", "--json")
    assert said.status == 0
    assert said.json["healthy"] is True
    assert {f["level"] for f in said.json["findings"] if f["subject"] not in ELSEWHERE} == {"ok"}


def test_what_was_overdue_is_settled_and_is_a_warning(home, settled):
    (overdue,) = home.overdue()
    said = settled("doctor", "--json")
    assert said.status == 0
    assert [level for level, _ in found(said, "bound")] == ["ok"]
    ((level, message),) = found(said, "sweep")
    assert level == "warning"
    assert "1 task is found overdue, for up to 60" in message
    assert home.ledger.get(overdue).settled


@pytest.mark.parametrize("way", ["RAISE(IGNORE)", "RAISE(ABORT, 'not today')"])
def test_a_row_past_its_bound_that_nobody_can_settle_breaks_the_promise(home, settled, way):
    (overdue,) = home.overdue()
    home.sql(f"CREATE TRIGGER stuck BEFORE UPDATE ON task_results BEGIN SELECT {way}; END")
    said = settled("doctor", "--json")
    assert said.status == 1
    assert said.json["healthy"] is False
    ((level, message),) = found(said, "bound")
    assert level == "broken"
    assert overdue in message
    assert "not today" in message or "IGNORE" in way
    assert any("stuck is not settled's" in message for _, message in found(said, "protections"))


def test_a_task_whose_bound_passes_during_the_check_is_not_broken(ledger, clock, monkeypatch):
    ledger.add(new_task())
    store = ledger.store
    sweep = ledger.expire
    monkeypatch.setattr(ledger, "expire", lambda: sweep() or clock.advance(3_600) or 0)
    assert of(doctor.check(ledger, clock=clock), "bound").level == "ok"
    assert store.past_bound()


def test_the_verdict_is_the_last_line_of_the_report(home, settled):
    assert settled("doctor").lines[-1].startswith("Every promise holds.")
    home.sql("DROP TRIGGER task_results_kept")
    assert settled("doctor").lines[-1].startswith("A promise is broken.")


def test_the_report_is_wrapped_to_the_terminal_and_loses_no_word(home, settled, monkeypatch):
    def words(out):  # but for the space on the disk, which changes
        return ["free" if re.fullmatch(r"[\d,]+", word) else word for word in out.split()]

    whole = words(settled("doctor").out)
    monkeypatch.setenv("COLUMNS", "60")
    said = settled("doctor")
    assert all(len(line) <= 60 or str(home.path.parent) in line for line in said.lines)  # a path stays whole
    assert words(said.out) == whole


# -- workers and the queue


def test_open_tasks_without_a_worker_are_a_warning(home, settled):
    home.pending()
    home.ledger.membership.dismiss()
    assert found(settled("doctor", "--json"), "workers") == [
        ("warning", "Tasks are open, and no worker is alive. Start one.")
    ]


def test_pending_tasks_that_no_worker_knows_are_counted(home, settled):
    home.pending(), home.pending(name="gone"), home.pending(name="gone")
    said = settled("doctor", "--json")
    assert any("2 pending of 'gone', which no live worker knows" in message for _, message in found(said, "queue"))
    assert not any("'work'" in message for _, message in found(said, "queue"))


def test_a_task_that_waits_long_is_a_warning(ledger, clock):
    ledger.membership.enlist(["work"])
    ledger.add(new_task()._replace(start_timeout_ms=3_600_000))
    assert of(doctor.check(ledger, clock=clock), "queue") == (
        "ok",
        "queue",
        "1 waiting to be picked up, the oldest for 0.0 s.",
    )
    clock.advance(61)
    ledger.store.write([Change("beat", [Beat(ledger.worker, 30_000)])])
    assert of(doctor.check(ledger, clock=clock), "queue").level == "warning"


def test_running_tasks_whose_worker_has_no_row_are_a_warning(home, settled):
    row = home.running()
    home.sql("DELETE FROM task_workers")
    ((level, message),) = found(settled("doctor", "--json"), "orphans")
    assert level == "warning"
    assert row.id in message


def test_each_worker_is_named_with_what_brings_it_its_tasks(ledger, clock):
    for worker, engine in (("a", "celery"), ("b", None)):
        ledger.store.write([Change("enlist", [worker_row(worker, engine=engine)])])
    assert of(doctor.check(ledger, clock=clock), "workers").message == "Alive: 1 on host (celery), 1 on host."
    clock.advance(3)
    assert of(doctor.check(ledger, clock=clock), "workers").message.startswith("Process 1 on host (celery) was heard")


def test_a_silent_worker_and_one_from_the_future_are_warnings(ledger, clock):
    ledger.store.write([Change("enlist", [worker_row("silent")])])
    clock.advance(3)
    assert "over half of its lease" in of(doctor.check(ledger, clock=clock), "workers").message
    clock.advance(3)
    assert "longer than its lease" in of(doctor.check(ledger, clock=clock), "workers").message
    with ledger.store.transaction() as transaction:
        transaction.now += 60_000
        transaction.enlist([worker_row("early")])
    assert any("in the future" in finding.message for finding in doctor.check(ledger, clock=clock))


def test_refused_late_writes_are_told(home, settled):
    row = home.completed()
    assert not home.ledger.settle_now(success(row._replace(status="running")))
    ((level, message),) = found(settled("doctor", "--json"), "late writes")
    assert level == "ok"
    assert message.startswith("1 refused")


# -- the clock and the retention


@pytest.mark.parametrize(("step", "word"), [(+60, "behind"), (-60, "ahead of")])
def test_a_system_clock_that_was_set_is_a_warning(ledger, clock, step, word):
    clock.set_wall(clock.wall_ms() + step * 1000)
    finding = of(doctor.check(ledger, clock=clock), "clock")
    assert finding.level == "warning"
    assert f"60.0 s {word}" in finding.message


def test_tasks_that_outlived_the_retention_are_a_warning(ledger, clock):
    ledger.membership.enlist(["work"])
    row = ledger.add(new_task(worker=ledger.worker))[0]
    ledger.settle_now(success(row))
    clock.advance(7 * 86_400 + 3_600)
    assert of(doctor.check(ledger, clock=clock), "retention").level == "ok"
    clock.advance(3_601)
    assert of(doctor.check(ledger, clock=clock), "retention").level == "warning"
    ledger.store.write([Change("retain", [30 * 86_400_000])])
    assert of(doctor.check(ledger, clock=clock), "retention").level == "ok"


# -- the database and its disk


@pytest.mark.parametrize("trigger", ["settled", "bound", "born", "kept"])
def test_a_protection_that_was_dropped_breaks_the_promise(home, settled, trigger):
    home.sql(f"DROP TRIGGER task_results_{trigger}")
    said = settled("doctor", "--json")
    assert said.status == 1
    assert found(said, "protections")[0][1].startswith(f"The trigger task_results_{trigger} is missing")


def test_a_protection_that_was_weakened_is_seen(home, settled):
    home.sql("DROP TRIGGER task_results_kept")
    home.sql("CREATE TRIGGER task_results_kept BEFORE DELETE ON task_results BEGIN SELECT 1; END")
    said = settled("doctor", "--json")
    assert said.status == 1
    assert "has been changed" in found(said, "protections")[0][1]


def test_a_lost_index_only_makes_it_slow_unless_it_keeps_keys_unique(home, settled):
    home.sql("DROP INDEX task_results_free_due")
    assert settled("doctor").status == 0
    home.sql("DROP INDEX task_results_key")
    assert settled("doctor").status == 1


def test_tables_of_the_application_beside_the_ledgers_are_no_concern(home, settled):
    home.sql("CREATE TABLE mine (x)")
    home.sql("CREATE TRIGGER mine_too AFTER INSERT ON mine BEGIN SELECT 1; END")
    assert [level for level, _ in found(settled("doctor", "--json"), "protections")] == ["ok"]


def test_a_ledger_without_full_durability_breaks_the_promise(home):
    connection = sqlite3.connect(home.path)
    connection.execute("PRAGMA synchronous = OFF")
    finding = of(sqlite_check.findings(connection, home.path, SQL, deep=False), "durability")
    connection.close()
    assert finding.level == "broken"
    assert "synchronous=OFF" in finding.message


def test_damage_in_the_file_is_found_by_a_deep_look(home, settled):
    home.completed('"' + "x" * 200_000 + '"')
    home.close()  # folds the log into the file
    whole = home.path.read_bytes()
    middle = (whole.index(b"x" * 4_000) // 4_096 + 5) * 4_096
    home.path.write_bytes(whole[:middle] + b"\xff" * 4_096 + whole[middle + 4_096 :])
    assert settled("doctor", "--json").status == 0
    said = settled("doctor", "--deep", "--json")
    assert said.status == 1
    assert "damaged" in found(said, "integrity")[0][1]


def test_a_log_that_a_reader_holds_is_a_warning(home, settled, monkeypatch):
    monkeypatch.setattr(sqlite_check, "BIG_LOG_BYTES", 1)
    assert found(settled("doctor", "--json"), "size")[0][0] == "warning"


def test_a_disk_that_is_nearly_full_is_a_warning(home, settled, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    ((level, message),) = found(settled("doctor", "--json"), "disk")
    assert level == "warning"
    assert message.startswith("0 MiB are free")


def test_a_file_that_may_not_be_written_breaks_the_promise(home, monkeypatch):
    monkeypatch.setattr(disk_check.os, "access", lambda path, mode: False)
    assert of(disk_check.findings(home.path), "permissions").level == "broken"


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:40 / /srv rw - nfs4 server:/srv rw,vers=4.2
41 40 8:2 / /srv/my\\040data rw shared:7 master:1 - xfs /dev/sdb1 rw
42 22 0:33 / /tmp rw - tmpfs tmpfs rw
not a mount
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/x.db", "ext4"),
        ("/srv/x.db", "nfs4"),
        ("/srv/my data/x.db", "xfs"),
        ("/srvx/x.db", "ext4"),
        ("/tmp/x.db", "tmpfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path, kind):
    assert disk_check.kind_of_file_system(Path(path), MOUNTS) == kind


def test_a_network_file_system_and_a_disk_in_memory_are_told():
    assert all(disk_check.NETWORK.match(kind) for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"))
    assert not any(
        disk_check.NETWORK.match(kind) for kind in ("ext4", "xfs", "btrfs", "overlay", "apfs", "zfs", "fuse")
    )
    assert "tmpfs" in disk_check.MEMORY
