"""What JSON cannot hold is found, and where it is."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settled.misfit import LONGEST_PLACE, MOST_PARTS, complaint, misfit

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
FITTING = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
MISFIT = object()


@given(FITTING)
def test_nothing_is_found_in_what_fits(value: Any) -> None:
    assert misfit(value) is None


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), FITTING), max_size=6))
def test_what_is_said_leads_to_it(around: list[tuple[bool, Any]]) -> None:
    value: Any = MISFIT
    for in_a_dict, beside in around:
        value = {"first": beside, "then": value} if in_a_dict else [beside, value]
    place, part = misfit(value) or ("", None)
    assert part is MISFIT
    assert eval(f"value{place}") is MISFIT


@pytest.mark.parametrize(
    ("value", "place", "part"),
    [
        (math.inf, "", math.inf),
        ([1, (2, -math.inf)], "[1][1]", -math.inf),
        ({"a": {(1, 2): 3}}, "['a'][(1, 2)]", (1, 2)),
        ({"a": [], "b": b"c"}, "['b']", b"c"),
    ],
)
def test_the_first_that_does_not_fit_is_found(value: Any, place: str, part: Any) -> None:
    assert misfit(value) == (place, part)


def test_a_whole_number_fits_however_large() -> None:
    assert misfit([10**400]) is None


def test_it_looks_into_what_has_a_form_in_json() -> None:
    assert misfit({"a": {2, math.inf}}, sorted) == ("['a'][1]", math.inf)
    assert misfit([{1}, range(2)], list) is None


def test_half_of_a_surrogate_pair_is_found_where_it_is_looked_for() -> None:
    value = ["whole \U0001f600", {"file": "half \udcff"}]
    assert misfit(value, halves=True) == ("[1]['file']", "half \udcff")
    assert misfit([{"half \udcff": 1}], halves=True) == ("[0]['half \\udcff']", "half \udcff")
    assert misfit(value) is None


def test_what_comes_first_for_an_encoder_is_found_first() -> None:
    assert misfit({"a": math.inf, (1, 2): 1}) == ("['a']", math.inf)
    assert misfit({"a": b"x", (1, 2): 1}) == ("['a']", b"x")
    assert misfit({"a": 1, (1, 2): b"x"}) == ("[(1, 2)]", (1, 2))


def test_a_search_in_what_refers_to_itself_ends_at_once() -> None:
    root: dict[str, Any] = {}
    root["children"] = [{"parent": root} for _ in range(1_000)]
    assert misfit(root) is None
    assert misfit(lambda: None, lambda part: [part]) is None
    assert misfit([(same := [1]), same, MISFIT]) == ("[2]", MISFIT)


def test_a_search_in_much_ends() -> None:
    assert misfit([MISFIT] + [1] * MOST_PARTS) == ("[0]", MISFIT)
    assert misfit([1] * MOST_PARTS + [MISFIT]) is None

    def endless(part: object) -> Any:
        yielded.append(part)
        return part

    yielded: list[object] = []
    assert misfit(MISFIT, endless) is None
    assert len(yielded) == MOST_PARTS


def test_a_long_place_is_told_by_its_end() -> None:
    place, _ = misfit({"long " * 100: [MISFIT]}) or ("", None)
    assert len(place) == LONGEST_PLACE + 1
    assert place.startswith("…")
    assert place.endswith("'][0]")


def test_an_error_of_the_value_s_own_is_all_that_is_said_then() -> None:
    class Items(dict[str, int]):
        def items(self) -> Any:
            raise LookupError

    assert complaint(Items(a=1), "no items") == "no items"


def test_a_complaint_says_what_and_where() -> None:
    assert complaint([math.nan], ValueError("Out of range")) == "nan is no number of JSON, at [0]"
    assert complaint(math.nan, ValueError("Out of range")) == "nan is no number of JSON"
    assert complaint({"a": MISFIT}, TypeError("an object has no JSON form")) == "an object has no JSON form, at ['a']"
