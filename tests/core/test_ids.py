"""Ids: UUIDs of version 7 (RFC 9562, 5.7), in the order of their milliseconds, and not to be guessed."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settled.errors import BadTaskId
from settled.ids import created_ms, new_id, new_ids

INSTANTS = st.integers(0, 2**48 - 1)


@given(INSTANTS)
def test_an_id_has_the_fields_of_the_rfc(now_ms: int) -> None:
    made = uuid.UUID(new_id(now_ms))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == now_ms
    assert str(made) == new_id(now_ms)[:14] + str(made)[14:]


@given(INSTANTS)
def test_an_id_says_when_it_was_made(now_ms: int) -> None:
    assert created_ms(new_id(now_ms)) == now_ms


@given(INSTANTS, INSTANTS)
def test_ids_sort_by_their_milliseconds(one: int, other: int) -> None:
    assert (new_id(one)[:13] < new_id(other)[:13]) == (one < other)


def test_ids_of_one_instant_differ_in_every_random_bit() -> None:
    ids = [uuid.UUID(text).int for text in new_ids(1_700_000_000_000, 2_000)]
    assert len(set(ids)) == 2_000
    ever_set, always_set = 0, (1 << 128) - 1
    for number in ids:
        ever_set |= number
        always_set &= number
    assert (ever_set & ~always_set).bit_count() == 74


def test_a_batch_of_none_is_none() -> None:
    assert new_ids(0, 0) == []


GOOD = "0193b1c0-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    "text",
    [
        "", "x", GOOD[:-1], GOOD + "0", GOOD.replace("-7", "-4"), GOOD.replace("-8", "-c"), GOOD.upper(),
        GOOD.replace("-", ""), GOOD + "\n", " " + GOOD, f"{{{GOOD}}}", GOOD[:-1] + "\u0660", GOOD.replace("1", "g"),
        "../../etc/passwd", "\ud800", "\x00", "a" * 100_000, None, 5, 1.5, GOOD.encode(), [GOOD], uuid.UUID(GOOD),
    ],
    ids=lambda text: ascii(text)[:45],
)  # fmt: skip
def test_any_other_text_is_no_id_and_is_shown_shortly(text: object) -> None:
    with pytest.raises(BadTaskId, match="is no task id: an id is a UUID") as refusal:
        created_ms(text)  # type: ignore[arg-type]
    assert len(str(refusal.value)) < 300
    str(refusal.value).encode()
