"""JSON text is written and read as ``json`` does it, only sooner."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settled import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_written_is_what_json_writes_and_is_read_as_it_was(value: Any) -> None:
    text = json_text.writer()(value)
    assert text == json.dumps(value, separators=(",", ":"))
    assert json_text.loads(text) == value


@pytest.mark.parametrize("text", [" [1]", "[1] ", "\n[1]\n"])
def test_a_text_that_somebody_else_wrote_is_read_too(text: str) -> None:
    assert json_text.loads(text) == [1]


@pytest.mark.parametrize("text", ["", "[1", "[1]]", "[1] 2", "nope"])
def test_what_is_no_json_raises_what_json_raises(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json_text.loads(text)


def test_what_json_cannot_hold_raises_what_json_raises() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    dumps = json_text.writer()
    for value, error in ((cycle, "Circular"), (math.nan, "not JSON compliant"), ({1, 2}, "not JSON serializable")):
        with pytest.raises((TypeError, ValueError), match=error):
            dumps(value)
    assert dumps([[]]) == "[[]]"  # nothing is left behind by what failed


def test_what_json_does_not_know_is_asked_for() -> None:
    assert json_text.writer(sorted)({"a": {2, 1}}) == '{"a":[1,2]}'
