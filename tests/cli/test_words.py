"""Durations, ages and widths as they are shown and typed."""

from __future__ import annotations

import argparse

import pytest

from settled.cli.tables import cells, cut, fitted
from settled.cli.words import line, seconds_of
from settled.times import ago, duration, instant_text


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0, "0 ms"), (12, "12 ms"), (999, "999 ms"), (1_000, "1.0 s"), (9_940, "9.9 s"), (9_990, "10 s"),
        (59_400, "59 s"), (59_900, "1 min"), (61_000, "1 min 1 s"),
        (3_600_000, "1 h"), (7_500_000, "2 h 5 min"), (90_000_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_a_duration_is_said_in_its_largest_units(milliseconds, said):
    assert duration(milliseconds) == said


@pytest.mark.parametrize(
    ("distance", "said"),
    [
        (0, "now"),
        (999, "now"),
        (3_000, "3 s ago"),
        (150_000, "2 min ago"),
        (-150_000, "in 2 min"),
        (200_000_000, "2 d ago"),
    ],
)
def test_an_age_is_said_in_one_unit(distance, said):
    now = 1_700_000_000_000
    assert ago(now - distance, now) == said


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90", 90), ("1.5h", 5_400), ("500ms", 0.5), ("7d", 604_800), ("2 min", 120), ("3M", 180), ("0", 0)],
)
def test_a_duration_can_be_typed_with_a_unit(typed, seconds):
    assert seconds_of(typed) == pytest.approx(seconds)


@pytest.mark.parametrize("typed", ["", "d", "-1", "1y", "1 2", "nan", "inf", "1e5", "9" * 400])
def test_what_is_no_duration_is_refused(typed):
    with pytest.raises(argparse.ArgumentTypeError):
        seconds_of(typed)


def test_instants_are_rfc_3339_in_utc():
    assert instant_text(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    assert instant_text(1 << 60) == f"{1 << 60} ms"


def test_a_text_is_cut_by_the_cells_that_it_takes():
    assert cut("abcdef", 4) == "abc…"
    assert cut("世界世界", 5) == "世界…"
    assert cells("e\u0301世") == 3
    assert line("a\n\tb\x1b") == "a b\\x1b"


def test_columns_give_way_from_the_last_to_the_first_and_keep_their_least():
    assert fitted([10, 20, 50], [None, 8, 11], 80) == [10, 20, 50]
    assert fitted([10, 20, 50], [None, 8, 11], 60) == [10, 20, 30]
    assert fitted([10, 20, 50], [None, 8, 11], 35) == [10, 14, 11]
    assert fitted([10, 20, 50], [None, 8, 11], 5) == [10, 8, 11]
