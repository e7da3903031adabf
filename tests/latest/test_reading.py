"""Reading a key: at once, one refresh at most, the last good value whatever happens, and an end to every refresh."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from settled import BadInput, BadKey, BadPolicy, Latest, LedgerUnavailable
from settled.latest.options import options_of
from settled.states import Reason
from settled.stores.base import Change
from tests.core.host import Host
from tests.latest.process import DEFAULTS, Process
from tests.stores.making import success


def got(process: Process, value: str = '"good"', key: str = "a") -> None:
    process.traffic.sync.get(key, refresh="force")
    process.succeed(value)


def never(process: Process, key: str = "a") -> Latest:
    return process.traffic.sync.get(key, refresh="never")


def count(process: Process) -> int:
    return len(process.ledger.list())


def test_the_first_look_starts_a_refresh_and_says_when_it_settles(process: Process) -> None:
    found = process.traffic.sync.get("a")
    assert (found.found, found.refreshing, found.value, found.last_error) == (False, True, None, None)
    assert (found.settles_in, count(process)) == (35.0, 1)
    assert process.ledger.get(str(found.task_id)).latest == "a"


def test_looking_again_while_waiting_starts_nothing(host: Host, process: Process) -> None:
    first = process.traffic.sync.get("a")
    others = [Process(host) for _ in range(2)]
    for mode in ("auto", "force", "never"):
        for each in (process, *others):
            host.advance(0.1)
            again = each.traffic.sync.get("a", refresh=mode)  # type: ignore[arg-type]
            assert (again.task_id, again.refreshing) == (first.task_id, True)
            assert again.settles_in < first.settles_in
    assert count(process) == 1


def test_never_starts_nothing(process: Process) -> None:
    assert (never(process).found, never(process).refreshing, count(process)) == (False, False, 0)


def test_a_fresh_value_is_served_and_nothing_starts(host: Host, process: Process) -> None:
    got(process)
    host.advance(59)
    found = process.traffic.sync.get("a")
    assert (found.value, found.age, found.stale, found.refreshing, found.settled) == ("good", 59.0, False, False, True)
    assert count(process) == 1


def test_a_stale_value_is_served_while_it_is_refreshed(host: Host, process: Process) -> None:
    got(process)
    host.advance(60)
    found = process.traffic.sync.get("a")
    assert (found.value, found.age, found.stale, found.refreshing) == ("good", 60.0, True, True)
    process.succeed('"better"')
    assert (never(process).value, never(process).stale) == ("better", False)


@pytest.mark.parametrize(("text", "value"), [("null", None), ("{}", {}), ("[]", []), ("0", 0), ('""', "")])
def test_an_empty_answer_is_a_value(process: Process, text: str, value: Any) -> None:
    got(process, text)
    found = process.traffic.sync.get("a")
    assert (found.found, found.value, found.refreshing) == (True, value, False)


def test_a_failure_keeps_the_value_and_is_not_tried_again_too_soon(host: Host, process: Process) -> None:
    got(process)
    host.advance(60)
    process.traffic.sync.get("a")
    process.fail("Broken.", error_type="ValueError")
    for _ in range(5):
        found = process.traffic.sync.get("a")
        assert (found.value, found.stale, found.refreshing) == ("good", True, False)
    error = found.last_error
    assert error is not None
    assert (error.reason, error.message, error.type) == (Reason.EXCEPTION, "Broken.", "ValueError")
    assert (found.failures, found.retry_in, count(process)) == (1, 1.0, 2)
    host.advance(1)
    assert process.traffic.sync.get("a").refreshing


def test_a_key_that_never_had_a_value_says_why(process: Process) -> None:
    process.traffic.sync.get("a")
    process.fail("Broken.")
    found = process.traffic.sync.get("a")
    assert (found.found, found.value, found.refreshing, found.failures) == (False, None, False, 1)


def test_what_the_upstream_asks_for_is_honoured(host: Host, process: Process) -> None:
    process.traffic.sync.get("a")
    process.fail(retry_after_ms=30_000)
    assert process.traffic.sync.get("a").retry_in == 30.0
    host.advance(29.999)
    assert not process.traffic.sync.get("a").refreshing
    host.advance(0.001)
    assert process.traffic.sync.get("a").refreshing


def test_force_starts_one_before_its_time(process: Process) -> None:
    process.traffic.sync.get("a")
    process.fail()
    assert process.traffic.sync.get("a", refresh="force").refreshing


def test_an_old_value_is_not_served_for_ever_beside_an_error_if_that_is_asked_for(host: Host) -> None:
    process = Process(host, stale_for=100)
    got(process)
    host.advance(159)
    assert process.traffic.sync.get("a").found
    process.fail()
    assert process.traffic.sync.get("a").value == "good"
    host.advance(1)
    assert (never(process).found, never(process).value) == (False, None)
    process.traffic.sync.get("a", refresh="force")
    process.succeed('"new"')
    assert never(process).value == "new"


def test_an_old_value_without_an_error_is_served_however_old(host: Host) -> None:
    process = Process(host, stale_for=0)
    got(process)
    host.advance(100_000)
    assert never(process).value == "good"


def test_a_crash_of_the_worker_is_the_keys_error_at_the_next_look(host: Host, process: Process) -> None:
    got(process)
    victim = Process(host)
    host.advance(60)
    victim.traffic.sync.get("a")
    host.dead.add(str(victim.ledger.worker))
    found = never(process)
    assert (found.value, found.refreshing) == ("good", False)
    assert found.last_error is not None
    assert found.last_error.reason is Reason.WORKER_LOST


def test_a_refresh_past_its_bound_is_settled_by_whoever_looks(host: Host, process: Process) -> None:
    process.traffic.sync.get("a")
    host.advance(35)
    found = never(process)
    assert not found.refreshing
    assert found.last_error is not None
    assert found.last_error.reason is Reason.TIMEOUT


@pytest.mark.parametrize("claims", [True, False])
def test_a_reader_that_cannot_write_says_what_everybody_will_say(host: Host, claims: bool) -> None:
    process = Process(host, claims=claims)
    got(process) if claims else None
    host.advance(60)
    process.traffic.sync.get("a")
    host.fill_disk()
    host.advance(100)
    computed = never(process)
    assert (computed.refreshing, computed.failures) == (False, 1)
    host.trouble = None
    process.ledger._away_until = 0.0
    written = never(Process(host))
    assert computed._replace(as_of=0) == written._replace(as_of=0)


def test_a_refresh_that_cannot_be_started_leaves_nobody_waiting(host: Host, process: Process) -> None:
    host.fill_disk()
    found = process.traffic.sync.get("a")
    assert (found.found, found.refreshing) == (False, False)
    assert found.last_error is not None
    assert found.last_error.reason is Reason.ENQUEUE_FAILED
    host.trouble = None
    process.traffic.keys._away_until = 0.0
    assert process.traffic.sync.get("a").refreshing


def test_a_stale_value_is_served_while_nothing_can_be_written(host: Host, process: Process) -> None:
    got(process)
    host.advance(60)
    host.fill_disk()
    found = process.traffic.sync.get("a")
    assert (found.value, found.stale, found.refreshing, found.last_error) == ("good", True, False, None)


def test_force_says_that_the_ledger_is_away(host: Host, process: Process) -> None:
    host.fill_disk()
    with pytest.raises(LedgerUnavailable):
        process.traffic.sync.get("a", refresh="force")


def test_many_keys_are_answered_in_the_order_asked_and_start_in_one_commit(host: Host, process: Process) -> None:
    got(process, key="fresh")
    before = host.commits
    found = process.traffic.sync.get_many(["b", "fresh", "a", "b"])
    assert [each.key for each in found] == ["b", "fresh", "a", "b"]
    assert [each.refreshing for each in found] == [True, False, True, True]
    assert found[0] == found[3]
    assert (host.commits, count(process)) == (before + 1, 3)
    assert process.traffic.sync.get_many([]) == []


def test_one_text_is_no_list_of_keys(process: Process) -> None:
    with pytest.raises(BadInput, match=r"'github\.com' is a text and no list of keys"):
        process.traffic.sync.get_many("github.com")
    with pytest.raises(BadInput, match="no list of keys"):
        asyncio.run(process.traffic.get_many("github.com"))
    assert count(process) == 0


def test_a_value_by_hand_replaces_clears_and_cancels(process: Process) -> None:
    process.traffic.sync.get("a")
    process.fail()
    task = process.traffic.sync.get("a", refresh="force").task_id
    found = process.traffic.sync.set("a", {"by": "hand"})
    assert (found.value, found.refreshing, found.last_error, found.failures) == ({"by": "hand"}, False, None, 0)
    assert process.ledger.get(str(task)).reason is Reason.CANCELLED
    with pytest.raises(BadInput, match="Nothing was set"):
        process.traffic.sync.set("a", object())
    assert never(process).value == {"by": "hand"}


def test_purging_forgets_and_cancels(process: Process) -> None:
    got(process)
    task = process.traffic.sync.get("a", refresh="force").task_id
    assert process.traffic.sync.purge("a")
    assert process.ledger.get(str(task)).reason is Reason.CANCELLED
    assert (never(process).found, never(process).last_error) == (False, None)
    assert not process.traffic.sync.purge("a")


def test_a_refresh_that_has_no_row_any_more_blocks_no_hand(host: Host, process: Process) -> None:
    got(process)
    host.sql("UPDATE task_latest SET refreshing = (1 = 1), task = '01931f6e-7c00-7cc3-98c4-dc0c0c07398f'")
    host.advance(60)
    assert (never(process).value, never(process).refreshing) == ("good", False)
    assert process.traffic.sync.set("a", 1).value == 1


def test_former_values_can_be_asked_for(host: Host) -> None:
    process = Process(host, history=2)
    for value in "1234":
        got(process, value)
        host.advance(1)
    assert [former.value for former in process.traffic.sync.history("a")] == [3, 2]
    assert [former.value for former in process.traffic.sync.history("a", limit=1)] == [3]


def test_keys_can_be_listed(process: Process) -> None:
    for key in ("c", "a", "b"):
        got(process, key=key)
    process.traffic.sync.get("b", refresh="force")
    process.fail()
    assert [each.key for each in process.traffic.sync.list(limit=2)] == ["a", "b"]
    assert [each.key for each in process.traffic.sync.list(after="b")] == ["c"]
    assert [each.key for each in process.traffic.sync.list(failing=True)] == ["b"]


def test_what_the_hook_makes_of_a_text_is_the_key(host: Host) -> None:
    process = Process(host, key=lambda text: text.strip().lower().removeprefix("www."))
    found = process.traffic.sync.get_many([" WWW.a.example", "a.example"])
    assert (found[0].key, found[0], count(process)) == ("a.example", found[1], 1)


@pytest.mark.parametrize("error", [BadKey("no domain"), ValueError("no domain")])
def test_a_text_that_the_hook_refuses_starts_nothing(host: Host, error: Exception) -> None:
    def hook(text: str) -> str:
        if text == "bad":
            raise error
        return text

    process = Process(host, key=hook)
    with pytest.raises(BadKey, match="no domain"):
        process.traffic.sync.get_many(["good", "bad"])
    assert count(process) == 0


@pytest.mark.parametrize("key", ["", "a\x00b", "\ud800", "x" * 1_001, 7, None])
def test_a_key_is_text_that_can_be_kept(host: Host, key: Any) -> None:
    with pytest.raises(BadKey):
        Process(host).traffic.sync.get(key)


def test_retention_takes_a_refresh_and_reads_go_on(host: Host, process: Process) -> None:
    got(process)
    host.advance(1_000)
    assert process.ledger.prune(10) == 1
    assert (never(process).value, process.traffic.sync.get("a").refreshing) == ("good", True)


def test_keys_that_nobody_asks_for_are_forgotten(host: Host) -> None:
    process = Process(host, max_age=100)
    got(process, key="old")
    host.advance(101)
    got(process, key="young")
    assert process.ledger.forget() == 1
    assert [each.key for each in process.traffic.sync.list()] == ["young"]


def test_an_event_loop_is_told_the_same_as_a_thread(host: Host, process: Process) -> None:
    async def look() -> None:
        first = await process.traffic.get("a")
        assert first.refreshing
        await asyncio.to_thread(process.succeed)
        assert (await process.traffic.get("a")).value == "good"
        assert (await process.traffic.set("b", 2)).value == 2
        assert [each.key for each in await process.traffic.list()] == ["a", "b"]
        assert await process.traffic.history("b") == []
        host.advance(60)
        await process.traffic.get("a", refresh="force")
        host.advance(100)
        last = await process.traffic.get("a", refresh="never")
        assert (last.value, last.refreshing, last.failures) == ("good", False, 1)
        assert await process.traffic.purge("a")

    asyncio.run(look())


def test_a_refreshs_task_is_not_retried_for_it_would_tell_nobody(process: Process) -> None:
    task = process.traffic.sync.get("a").task_id
    process.fail()
    with pytest.raises(Exception, match="Refresh that key instead"):
        process.ledger.retry(str(task))


@pytest.mark.parametrize(
    "options",
    [
        {"fresh_for": -1},
        {"fresh_for": float("nan")},
        {"fresh_for": True},
        {"retry_after": 0},
        {"retry_after": 10, "retry_cap": 5},
        {"history": -1},
        {"history": 1.5},
        {"stale_for": -1},
        {"max_age": 60},
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy):
        options_of(**{**DEFAULTS, **options})


def test_durations_may_be_timedeltas() -> None:
    days = timedelta(days=30)
    chosen = options_of(days, timedelta(minutes=5), None, days, timedelta(days=90), 3)
    assert chosen.policy[:3] == (30 * 86_400_000, 300_000, 86_400_000)


@pytest.mark.parametrize("fresh_for", [0, 60])
def test_a_refresh_whose_commit_is_confirmed_after_its_end_is_told_as_it_ended(host: Host, fresh_for: float) -> None:
    process = Process(host, **{**DEFAULTS, "fresh_for": fresh_for})
    write: Any = process.ledger.store.write

    def unsure_at_first(changes: Any) -> Any:
        """The answer is lost; when the change is sent again, the refresh has ended."""
        written = write(changes)
        if changes[0].verb != "refresh":
            return written
        process.ledger.store.write = write  # type: ignore[method-assign]
        ended = success(written.results[0][0][0])
        write([Change("settle", [ended])])
        if host.ground is None:  # which is never unsure; it may be told late all the same
            return written._replace(results=[[process.ledger.store.read([ended.id])]])
        return write(changes)

    process.ledger.store.write = unsure_at_first  # type: ignore[method-assign]
    found = process.traffic.sync.get("a")
    assert (found.found, found.refreshing) == (True, False)
    assert not never(process).refreshing
    (row,) = process.ledger.store.latest([("traffic", "a")])
    assert not row.refreshing


def test_a_refresh_whose_commit_is_confirmed_past_its_bound_is_told_as_failed(host: Host) -> None:
    process = Process(host, **DEFAULTS)
    write: Any = process.ledger.store.write

    def late(changes: Any) -> Any:
        """As if the process was frozen until long after the refresh's bound, before it was told of its start."""
        written = write(changes)
        if changes[0].verb != "refresh":
            return written
        process.ledger.store.write = write  # type: ignore[method-assign]
        task = written.results[0][0][0]
        host.advance((task.settles_at - task.as_of) / 1000 + 1)
        return written._replace(results=[[process.ledger.store.read([task.id])]])

    process.ledger.store.write = late  # type: ignore[method-assign]
    found = process.traffic.sync.get("a")
    assert not found.refreshing
    assert found.last_error is not None
