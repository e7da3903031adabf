"""The writer: writes in flight share a commit, a bad row fails alone, a database that is away loses no verdict."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from settled import writer as writing
from settled.errors import LedgerFull, LedgerUnavailable, SettledError
from settled.ledger import Ledger
from settled.post import Post
from settled.stores.base import Change, RowRefused, Written
from settled.writer import FOREVER, Writer
from tests.core.host import Host, started
from tests.stores.making import failure, new_task, success

SOON = 10.0
"""Seconds that a test waits at most for what is a matter of milliseconds."""


class Ward:
    """A store that does as it is told, whatever the verb."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.trouble: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.tries = 0

    def write(self, changes: Sequence[Change]) -> Written:
        self.tries += 1
        self.entered.set()
        self.gate.wait(timeout=SOON)
        if self.trouble is not None:
            raise self.trouble
        payloads = [payload for change in changes for payload in change.rows]
        if "bad" in payloads:
            raise RowRefused("bad")
        if "defect" in payloads:
            raise KeyError("defect")
        self.commits.append(payloads)
        return Written(7, [[f"{payload} at 7" for payload in change.rows] for change in changes])


class Told:
    """What the writer tells of commits and failures."""

    def __init__(self) -> None:
        self.committed: list[Any] = []
        self.failed: list[Any] = []

    def commit(self, verb: str, payloads: Any, results: Any, now: int, post: Post) -> None:
        self.committed.append((verb, list(payloads), list(results), now))

    def fail(self, verb: str, payload: Any) -> None:
        self.failed.append((verb, payload))


class Notebook:
    """A journal that shows what is in it."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.left: list[str] = []

    def keep(self, verdicts: Sequence[str]) -> None:
        self.pages = list(verdicts)

    def forget(self) -> None:
        self.pages = []

    def leave(self) -> None:
        self.left, self.pages = self.pages, []


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def ward() -> Ward:
    return Ward()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def writer(ward: Ward, told: Told, notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    monkeypatch.setattr(writing, "RETRY_PAUSE", 0.005)
    made = Writer(ward, notebook, told.commit, told.fail)  # type: ignore[arg-type]
    yield made
    ward.trouble = None
    ward.gate.set()
    made.close(SOON)


def put(writer: Writer, payload: str, patience: float = SOON, verb: str = "settle") -> Future[Any]:
    future: Future[Any] = Future()
    writer.put(verb, payload, future, patience)
    return future


def test_a_write_is_answered_after_its_commit(writer: Writer, ward: Ward, told: Told) -> None:
    assert put(writer, "a").result(timeout=SOON) == "a at 7"
    assert ward.commits == [["a"]]
    assert told.committed == [("settle", ["a"], ["a at 7"], 7)]


def test_writes_that_arrive_during_a_commit_share_the_next(writer: Writer, ward: Ward) -> None:
    ward.gate.clear()
    futures = [put(writer, "0")]
    assert ward.entered.wait(timeout=SOON)
    futures += [put(writer, str(number)) for number in range(1, 500)]
    ward.gate.set()
    for future in futures:
        future.result(timeout=SOON)
    assert [len(commit) for commit in ward.commits] == [1, 499]
    assert [row for commit in ward.commits for row in commit] == [str(number) for number in range(500)]


def test_what_frees_a_place_is_written_before_what_asks_for_one(writer: Writer, ward: Ward) -> None:
    ward.gate.clear()
    futures = [put(writer, "first")]
    assert ward.entered.wait(timeout=SOON)
    futures += [put(writer, verb, verb=verb) for verb in ("claim", "settle", "insert")]
    ward.gate.set()
    for future in futures:
        future.result(timeout=SOON)
    assert [row for commit in ward.commits for row in commit] == ["first", "insert", "settle", "claim"]


@pytest.mark.parametrize("bad", ["bad", "defect"])
def test_a_bad_row_fails_alone_and_its_neighbours_are_written(writer: Writer, ward: Ward, told: Told, bad: str) -> None:
    ward.gate.clear()
    futures = {payload: put(writer, payload) for payload in ("a", "b", bad, "c")}
    ward.gate.set()
    with pytest.raises(SettledError):
        futures.pop(bad).result(timeout=SOON)
    assert {future.result(timeout=SOON) for future in futures.values()} == {"a at 7", "b at 7", "c at 7"}
    assert sorted(row for commit in ward.commits for row in commit) == ["a", "b", "c"]
    assert told.failed == [("settle", bad)]


def test_a_defect_says_what_it_was(writer: Writer) -> None:
    with pytest.raises(SettledError, match="KeyError: 'defect'") as failure:
        put(writer, "defect").result(timeout=SOON)
    assert isinstance(failure.value.__cause__, KeyError)


def test_an_impatient_write_fails_while_the_database_is_away(
    writer: Writer, ward: Ward, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_tries = SimpleNamespace(monotonic=lambda: 0.02 * ward.tries)
    monkeypatch.setattr(writing, "time", by_tries)  # a clock that stands still but for the tries
    ward.trouble = LedgerUnavailable("away")
    with pytest.raises(LedgerUnavailable, match="away"):
        put(writer, "a", patience=0.05).result(timeout=SOON)
    assert ward.tries >= 2
    assert told.failed == [("settle", "a")]
    ward.trouble = None
    assert put(writer, "b").result(timeout=SOON) == "b at 7"
    assert ward.commits == [["b"]]


def test_a_patient_write_is_kept_until_the_database_is_back(writer: Writer, ward: Ward, notebook: Notebook) -> None:
    ward.trouble = LedgerUnavailable("away")
    kept = put(writer, "verdict", patience=FOREVER)
    patient = put(writer, "read", patience=SOON)
    with pytest.raises(LedgerUnavailable):
        put(writer, "a", patience=0.0).result(timeout=SOON)
    assert not kept.done()
    assert notebook.pages == ["verdict"]  # what is given up, or will be, is not for the next process to write
    ward.trouble = None
    assert kept.result(timeout=SOON) == "verdict at 7"
    patient.result(timeout=SOON)
    writer.close(SOON)
    assert notebook.pages == []


def test_on_a_full_disk_a_submit_fails_at_once_and_a_verdict_is_kept(writer: Writer, ward: Ward) -> None:
    ward.trouble = LedgerFull("full")
    kept = put(writer, "verdict", patience=FOREVER)
    with pytest.raises(LedgerFull):
        put(writer, "submit", patience=SOON * 2).result(timeout=SOON)
    ward.trouble = None
    assert kept.result(timeout=SOON) == "verdict at 7"


def test_however_many_verdicts_are_kept_a_submit_fails_in_time(
    writer: Writer, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_BATCH", 10)
    ward.trouble = LedgerUnavailable("away")
    kept = [put(writer, f"verdict {number}", patience=FOREVER) for number in range(50)]
    with pytest.raises(LedgerUnavailable):
        put(writer, "submit", patience=0.05).result(timeout=SOON)
    ward.trouble = None
    for future in kept:
        future.result(timeout=SOON)
    assert sum(map(len, ward.commits)) == 50


def test_many_writes_on_a_loop_are_answered_there(writer: Writer, ward: Ward) -> None:
    async def write() -> list[Any]:
        return await asyncio.gather(*(writer.awrite("settle", str(number), SOON) for number in range(200)))

    assert asyncio.run(write()) == [f"{number} at 7" for number in range(200)]
    assert len(ward.commits) < 50


def test_who_stops_waiting_does_not_stop_the_write(writer: Writer, ward: Ward) -> None:
    async def write() -> None:
        ward.gate.clear()
        first = writer.awrite("settle", "a", SOON)
        second = writer.awrite("settle", "b", SOON)
        first.cancel()
        ward.gate.set()
        assert await asyncio.wait_for(second, timeout=SOON) == "b at 7"

    asyncio.run(write())
    assert sorted(row for commit in ward.commits for row in commit) == ["a", "b"]


def test_a_loop_that_was_closed_meanwhile_stops_nobody(writer: Writer, ward: Ward) -> None:
    ward.gate.clear()
    loop = asyncio.new_event_loop()
    writer.put("settle", "a", loop.create_future(), SOON)
    loop.close()
    later = put(writer, "b")
    ward.gate.set()
    assert later.result(timeout=SOON) == "b at 7"


def test_a_future_that_was_cancelled_stops_nobody(writer: Writer, ward: Ward) -> None:
    ward.gate.clear()
    first, second = put(writer, "a"), put(writer, "b")
    assert first.cancel()
    ward.gate.set()
    assert second.result(timeout=SOON) == "b at 7"
    assert put(writer, "c").result(timeout=SOON) == "c at 7"


def test_write_all_raises_what_the_first_bad_one_raises(writer: Writer) -> None:
    assert writer.write_all("settle", ["a", "b"], SOON) == ["a at 7", "b at 7"]
    with pytest.raises(RowRefused):
        writer.write_all("settle", ["a", "bad", "b"], SOON)
    assert writer.write_all("settle", [], SOON) == []


def test_closing_writes_what_is_queued(writer: Writer, ward: Ward) -> None:
    ward.gate.clear()
    futures = [put(writer, str(number), patience=FOREVER) for number in range(5_000)]
    ward.gate.set()
    writer.close(SOON)
    assert all(future.done() for future in futures)
    assert sum(map(len, ward.commits)) == 5_000


def test_closing_is_patient_with_a_database_that_comes_back(writer: Writer, ward: Ward) -> None:
    ward.trouble = LedgerUnavailable("away")
    kept = put(writer, "verdict", patience=FOREVER)
    threading.Timer(0.1, lambda: setattr(ward, "trouble", None)).start()
    writer.close(SOON)
    assert kept.result(timeout=0) == "verdict at 7"


def test_closing_ends_though_the_database_stays_away(writer: Writer, ward: Ward, notebook: Notebook) -> None:
    ward.trouble = LedgerUnavailable("away")
    kept = [put(writer, str(number), patience=FOREVER) for number in range(10)]
    begun = time.monotonic()
    writer.close(0.1)
    assert time.monotonic() - begun < 3
    for future in kept:
        with pytest.raises(LedgerUnavailable, match="ended before"):
            future.result(timeout=0)
    assert notebook.left == [str(number) for number in range(10)]  # a later commit here must not tear these pages out


def test_closing_twice_or_before_the_first_write_is_harmless(writer: Writer) -> None:
    writer.close(SOON)
    put(writer, "a").result(timeout=SOON)
    writer.close(SOON)
    writer.close(SOON)


def test_a_write_after_closing_is_written_still(writer: Writer, ward: Ward) -> None:
    put(writer, "a").result(timeout=SOON)
    writer.close(SOON)
    assert put(writer, "b").result(timeout=SOON) == "b at 7"


def test_writes_that_race_with_closing_are_all_answered(ward: Ward, told: Told) -> None:
    for _ in range(30):
        writer = Writer(ward, Notebook(), told.commit, told.fail)  # type: ignore[arg-type]
        put(writer, "first").result(timeout=SOON)
        futures: list[Future[Any]] = []

        def write(futures: list[Future[Any]] = futures, writer: Writer = writer) -> None:
            futures.extend(put(writer, "x") for _ in range(50))

        thread = threading.Thread(target=write)
        thread.start()
        writer.close(SOON)
        thread.join(timeout=SOON)
        for future in futures:
            assert future.result(timeout=SOON) == "x at 7"
        writer.close(SOON)


def test_a_write_that_comes_in_just_behind_a_close_is_answered(writer: Writer) -> None:
    put(writer, "first").result(timeout=SOON)

    class Behind(SimpleQueue[Any]):
        def put(self, item: Any, *rest: Any) -> None:
            if item is not None and writer._thread is not None:
                writer.close(SOON)  # between the look at the thread and the write's own place in the queue
            super().put(item, *rest)

    writer._queue.put(None)
    writer._thread.join(timeout=SOON)  # type: ignore[union-attr]
    writer._thread, writer._queue = None, Behind()
    put(writer, "second").result(timeout=SOON)
    assert put(writer, "third").result(timeout=SOON) == "third at 7"


def test_a_disk_that_hangs_in_a_commit_keeps_nobody_waiting_beyond_his_patience(
    writer: Writer, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "STALLED", 0.0)
    ward.gate.clear()
    first = put(writer, "a", patience=0.0)
    assert ward.entered.wait(timeout=SOON)
    queued, verdict = put(writer, "b", patience=0.0), put(writer, "verdict", patience=FOREVER)
    writer.end_stalled_waits()
    for future in (first, queued):
        with pytest.raises(LedgerUnavailable, match="does not answer"):
            future.result(timeout=0)
    assert not verdict.done()
    ward.gate.set()
    assert verdict.result(timeout=SOON) == "verdict at 7"


def test_a_disk_that_does_not_hang_ends_no_wait(writer: Writer, ward: Ward) -> None:
    put(writer, "a").result(timeout=SOON)
    writer.end_stalled_waits()
    ward.gate.clear()
    future = put(writer, "b", patience=0.0)
    assert ward.entered.wait(timeout=SOON)
    writer.end_stalled_waits()
    ward.gate.set()
    assert future.result(timeout=SOON) == "b at 7"


@pytest.mark.parametrize("teller", ["commit", "fail"])
def test_nothing_that_is_told_of_a_commit_can_end_the_writer(
    writer: Writer, told: Told, monkeypatch: pytest.MonkeyPatch, teller: str
) -> None:
    def fail(*told: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(writer, "_committed" if teller == "commit" else "_failed", fail)
    with pytest.raises(SettledError):
        put(writer, "a" if teller == "commit" else "bad").result(timeout=SOON)
    monkeypatch.undo()
    assert put(writer, "b").result(timeout=SOON) == "b at 7"


def test_a_thread_that_could_not_be_started_is_started_by_the_next_write(
    writer: Writer, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        put(writer, "a")
    monkeypatch.undo()
    assert put(writer, "b").result(timeout=SOON) == "b at 7"
    assert ward.commits == [["a", "b"]]


# On a real store.


def test_a_lone_surrogate_among_hundreds_of_submits_hurts_nobody_else(host: Host, ledger: Ledger) -> None:
    futures: list[Future[Any]] = []
    for number in range(300):
        future: Future[Any] = Future()
        name = "\ud800" if number == 150 else "work"
        ledger._writer.put("insert", new_task(name), future, SOON)
        futures.append(future)
    with pytest.raises(RowRefused, match="cannot be stored"):
        futures.pop(150).result(timeout=SOON)
    assert len({future.result(timeout=SOON)[0].id for future in futures}) == 299
    assert ledger.counts()["pending"] == 299


def test_hundreds_of_lifecycles_take_a_few_commits(host: Host, worker: Ledger) -> None:
    before = host.commits

    async def live() -> None:
        added = await asyncio.gather(*(worker.aadd(new_task(worker=worker.worker)) for _ in range(300)))
        written = [asyncio.get_running_loop().create_future() for _ in added]
        for (row, _), future in zip(added, written, strict=True):
            worker.settle(success(row), future)
        assert all(await asyncio.gather(*written))

    asyncio.run(live())
    assert host.commits - before < 60
    assert worker.counts()["completed"] == 300


def test_a_verdict_on_a_locked_file_is_written_when_the_lock_goes(host: Host, worker: Ledger) -> None:
    row = started(worker)
    written: Future[bool] = Future()
    with closing(sqlite3.connect(host.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        worker.settle(failure(row), written)
        with pytest.raises(LedgerUnavailable, match="holds its lock"):
            worker._writer.write_all("insert", [new_task()], 0.0)
        assert not written.done()
        assert worker.get(row.id).status == "running"
    assert written.result(timeout=SOON) is True
    assert worker.get(row.id).status == "failed"


def test_a_submit_to_a_locked_file_fails_within_its_patience(
    host: Host, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settled.ledger.SUBMIT_PATIENCE", 1.0)
    with closing(sqlite3.connect(host.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(LedgerUnavailable):
            ledger.add(new_task())
        assert time.monotonic() - begun < 10  # the patience of 1 s, a statement's wait, a pause, and a busy machine
    assert ledger.counts()["pending"] == 0
    assert ledger.add(new_task())[1]
