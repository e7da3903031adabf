"""The journal: what a process could not write is kept on its disk, and the next one finds it as it was."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from settled.errors import LedgerUnavailable
from settled.journal import Journal
from settled.records import Verdict
from settled.states import Reason, Status
from tests.core.host import Host, started
from tests.stores.making import failure, put_back, success

KEEPS_AND_DIES = """
import os, sys, pathlib
from settled.journal import Journal
from settled.records import Verdict
from settled.states import Reason, Status
journal = Journal(lambda: pathlib.Path(sys.argv[1]))
for task in sys.argv[2:]:
    journal.keep([Verdict(task, 1, Status.COMPLETED, '"late"')])
os._exit(9)
"""


def dead_process(folder: Path, *tasks: str) -> None:
    """A process that kept a success of each task and died."""
    command = [sys.executable, "-c", KEEPS_AND_DIES, str(folder), *tasks]
    assert subprocess.run(command, timeout=30, check=False).returncode == 9


def adopted(folder: Path) -> list[Verdict]:
    found: list[Verdict] = []
    Journal(lambda: folder).adopt(found.extend)
    return found


def test_a_verdict_of_a_dead_process_is_handed_over_once_and_nothing_is_left(tmp_path: Path) -> None:
    dead_process(tmp_path, "a", "b")
    assert adopted(tmp_path) == [Verdict(task, 1, Status.COMPLETED, '"late"') for task in "ab"]
    assert adopted(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_verdict_comes_back_as_it_was(host: Host, tmp_path: Path) -> None:
    row = started(host.ledger(worker=True))
    verdicts = [
        success(row._replace(id="1"), '{"snow":"\N{SNOWMAN}\\u0000"}'),
        failure(row._replace(id="2"), Reason.TIMEOUT, "line\nline", error_type="E", traceback="T\n"),
        put_back(row._replace(id="3"), 5, 7),
    ]
    journal = Journal(lambda: tmp_path / "new" / "folder")
    journal.keep([verdict._replace(row=row) for verdict in verdicts])
    journal.leave()
    assert adopted(tmp_path / "new" / "folder") == verdicts


def test_what_a_living_process_keeps_is_left_to_it(tmp_path: Path) -> None:
    journal = Journal(lambda: tmp_path)
    journal.keep([Verdict("a", 1, Status.COMPLETED, "1")])
    assert adopted(tmp_path) == []
    journal.forget()
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_is_kept_once_however_often_its_write_fails(tmp_path: Path) -> None:
    journal = Journal(lambda: tmp_path)
    for _ in range(3):
        journal.keep([Verdict("a", 1, Status.COMPLETED, "1"), Verdict("a", 2, Status.COMPLETED, "1")])
    (file,) = tmp_path.glob("*.jsonl")
    assert len(file.read_text().splitlines()) == 2


def test_what_cannot_be_written_yet_stays_for_another_time(tmp_path: Path) -> None:
    dead_process(tmp_path, "a")

    def away(verdicts: Sequence[Verdict]) -> None:
        raise LedgerUnavailable("away")

    with pytest.raises(LedgerUnavailable):
        Journal(lambda: tmp_path).adopt(away)
    assert [verdict.id for verdict in adopted(tmp_path)] == ["a"]


def test_a_line_that_was_cut_off_by_a_power_cut_takes_no_other_with_it(tmp_path: Path) -> None:
    dead_process(tmp_path, "a", "b")
    (file,) = tmp_path.glob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-20])
    assert [verdict.id for verdict in adopted(tmp_path)] == ["a"]


def test_a_folder_that_cannot_be_written_is_told_once_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    journal = Journal(lambda: tmp_path / "file" / "folder")
    for task in "ab":
        journal.keep([Verdict(task, 1, Status.COMPLETED, "1")])
    journal.forget()
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        f"Outcomes are kept in memory only, the journal in {tmp_path / 'file' / 'folder'} fails"
    ]


def test_half_a_line_that_a_full_disk_took_spoils_no_later_one(tmp_path: Path) -> None:
    journal = Journal(lambda: tmp_path)
    big = Verdict("big", 1, Status.COMPLETED, f'"{"x" * 10_000}"')
    with room_in_a_file(5_000):
        journal.keep([big])
    (file,) = tmp_path.glob("*.jsonl")
    assert file.stat().st_size == 5_000
    journal.keep([big])
    journal.keep([Verdict("b", 1, Status.COMPLETED, "1")])
    journal.leave()
    assert [verdict.id for verdict in adopted(tmp_path)] == ["big", "b"]


@contextmanager
def room_in_a_file(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes: a write beyond is cut off, and the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_a_process_leaves_at_its_close_is_for_all_and_it_may_keep_more(tmp_path: Path) -> None:
    journal = Journal(lambda: tmp_path)
    journal.keep([Verdict("a", 1, Status.COMPLETED, "1")])
    journal.leave()
    journal.keep([Verdict("b", 1, Status.COMPLETED, "1")])
    journal.forget()
    assert [verdict.id for verdict in adopted(tmp_path)] == ["a"]


def test_processes_that_were_forked_with_one_journal_keep_one_each(tmp_path: Path) -> None:
    journal = Journal(lambda: tmp_path)
    for task in "ab":
        if (child := os.fork()) == 0:
            journal.keep([Verdict(task, 1, Status.COMPLETED, "1")])
            os._exit(0)
        os.waitpid(child, 0)
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert sorted(verdict.id for verdict in adopted(tmp_path)) == ["a", "b"]


def test_a_file_that_cannot_be_read_or_deleted_stops_nobody_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dead_process(tmp_path, "a")
    (tmp_path / "journal-0-unreadable.jsonl").mkdir()
    journal, found = Journal(lambda: tmp_path), list[Verdict]()
    for _ in range(2):
        journal.adopt(found.extend)
    assert [verdict.id for verdict in found] == ["a"]
    assert len([record for record in caplog.records if "passed over" in record.message]) == 1
    journal.keep([Verdict("b", 1, Status.COMPLETED, "1")])
    (mine,) = (file for file in tmp_path.glob("*.jsonl") if file.is_file())
    mine.unlink()
    mine.mkdir()
    journal.forget()
    assert "cannot be deleted" in caplog.text


def test_the_ledger_takes_a_dead_process_at_its_word_before_it_calls_it_lost(host: Host) -> None:
    worker, web = host.ledger(worker=True), host.ledger()
    row = started(worker)
    dead_process(web.store.journal(), row.id)
    host.dead.add(str(worker.worker))
    found = web.get(row.id)
    assert (found.status, found.result) == (Status.COMPLETED, "late")


def test_a_verdict_from_a_journal_is_fenced_like_every_late_one(host: Host) -> None:
    worker, web = host.ledger(worker=True), host.ledger()
    row = started(worker)
    host.until(row.settles_at, row.as_of)
    assert web.get(row.id).reason is Reason.TIMEOUT
    dead_process(web.store.journal(), row.id)
    web.expire()
    assert web.get(row.id).reason is Reason.TIMEOUT
    assert web.counts()["refused"] == 1
    assert not list(web.store.journal().glob("*.jsonl"))
