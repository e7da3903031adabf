"""The pure parts: what a client asks for, when it is to ask again, and what a tag stands for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from settled import Reason, Status
from settled.records import Snapshot
from settled.web import wire


def row(**values: Any) -> Snapshot:
    """A running task, ten seconds old, that settles within a minute."""
    some = Snapshot(
        "id", "name", Status.RUNNING, None, None, None, None, None, "{}", None, None, None, None, 1, 3, 1, 1, 1,
        1_700_000_000_000, 1_700_000_000_001, None, 0, 0, 1_700_000_060_000, "worker", None, None, None, None,
        None, None, None, 1_700_000_010_000,
    )  # fmt: skip
    return some._replace(**values)


def told(some: Snapshot) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(wire.body_of(some))
    return body


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (b"wait=0", 0), (b"wait=10", 10), (b"wait=30", 30), (b"wait=31", 30), (b"wait=99999999999999999999999999", 30),
        (b"Wait=7", 7), (b"  wait = 7 ", 7), (b'wait="7"', 7), (b"respond-async, wait=7", 7), (b"wait=7; x=y, q", 7),
        (b"wait=7, wait=9", 7), (b"", None), (b"wait", None), (b"wait=", None), (b"wait=x", None), (b"wait=-1", None),
        (b"wait=1.5", None), (b"wait=\xb2", None), (b"await=7", None), (b'wait="', None), (b",;=,", None),
    ],
)  # fmt: skip
def test_prefer_wait_is_read_as_the_rfc_has_it(prefer: bytes, seconds: int | None) -> None:
    assert wire.wait_of(prefer) == seconds


@pytest.mark.parametrize(
    ("if_none_match", "same"),
    [
        (b'W/"a"', True), (b'"a"', True), (b'"b", W/"a"', True), (b"*", True), (b"", False), (b"a", False),
        (b'"ab"', False), (b'"b"', False), (b"W/*", False),
    ],
)  # fmt: skip
def test_tags_are_compared_weakly(if_none_match: bytes, same: bool) -> None:
    assert wire.matches(if_none_match, b'W/"a"') is same


@pytest.mark.parametrize(
    ("age", "left", "seconds"),
    [
        (0, 60_000, 0.25), (1_000, 60_000, 0.25), (5_000, 60_000, 1.0), (25_000, 60_000, 5.0), (10**9, 60_000, 5.0),
        (10**9, 1_000, 1.1), (10**9, 0, 0.1), (10**9, -5_000, 0.1), (-50, 60_000, 0.25),
    ],
)  # fmt: skip
def test_a_client_is_to_ask_soon_then_less_often_and_hardly_past_the_bound(age: int, left: int, seconds: float) -> None:
    some = row(created_at=0, as_of=age, settles_at=age + left)
    assert wire.retry_after(some) == seconds
    assert told(some)["retry_after"] == seconds


@pytest.mark.parametrize(("seconds", "whole"), [(0.1, b"1"), (1.0, b"1"), (1.1, b"2"), (5, b"5"), (0, b"1")])
def test_a_header_says_whole_seconds_and_never_zero(seconds: float, whole: bytes) -> None:
    assert wire.wait_header(seconds) == (b"retry-after", whole)


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.PENDING},
        {"status": Status.COMPLETED},
        {"attempt": 2},
        {"progress": 0.1},
        {"progress_message": "x"},
    ],
)
def test_a_tag_stands_for_all_that_is_told_of_an_open_task(change: dict[str, Any]) -> None:
    assert wire.etag_of(row(**change)) != wire.etag_of(row())


def test_a_tag_does_not_stand_for_the_time() -> None:
    assert wire.etag_of(row(as_of=1_700_000_050_000)) == wire.etag_of(row())
    assert wire.etag_of(row()).startswith(b'W/"')


def test_the_tag_of_a_settled_task_is_strong() -> None:
    assert wire.etag_of(row(status=Status.COMPLETED)).startswith(b'"')


@pytest.mark.parametrize(
    "hostile", ['"', "\\", "\x00", "\n", "</script>", "\u2028", "🚀", "\ud800", '","settled":true,"x":"']
)
def test_no_text_breaks_out_of_the_object(hostile: str) -> None:
    open_one = told(row(id=hostile, name=hostile, progress_message=hostile))
    assert (open_one["id"], open_one["name"], open_one["progress"]) == (
        hostile,
        hostile,
        {"fraction": None, "message": hostile},
    )
    failed = told(row(status=Status.FAILED, reason=Reason.EXCEPTION, error_message=hostile, error_type=hostile))
    assert failed["error"] == {"reason": "exception", "message": hostile, "type": hostile}
    assert (open_one["settled"], failed["settled"]) == (False, True)


def test_an_instant_has_three_digits_of_milliseconds() -> None:
    assert told(row())["created_at"] == "2023-11-14T22:13:20.000Z"
    assert told(row())["started_at"] == "2023-11-14T22:13:20.001Z"


def test_a_task_past_its_bound_settles_in_no_negative_time() -> None:
    assert told(row(as_of=1_700_000_099_000))["settles_in"] == 0


def test_the_result_of_a_worker_passes_as_it_is() -> None:
    text = '{"big":123456789012345678901234567890,"dup":1,"dup":2, "spaced" : 1.10}'
    assert text.encode() in wire.body_of(row(status=Status.COMPLETED, result_data=text))


def test_a_nul_in_a_result_is_told_as_it_is() -> None:
    some = row(status=Status.COMPLETED, result_data=r'"a\u0000b"', finished_at=1_700_000_010_000)
    assert rb'"result":"a\u0000b"' in wire.body_of(some)
    assert told(some)["result"] == "a\x00b"


def test_a_failure_without_reason_or_message_still_says_something() -> None:
    assert told(row(status=Status.FAILED))["error"] == {
        "reason": "exception",
        "message": "The task ran into an error.",
        "type": None,
    }
