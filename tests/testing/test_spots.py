"""The points of a task function, as a test names them."""

from __future__ import annotations

import pytest

from settled import BadInput
from settled.testing import Fault, Kill, LedgerAway, Raise
from settled.testing.spots import spot_of

FIRST = 14


def example(
    number: int,
) -> int:
    """A docstring is no line."""

    # Nor is a comment.
    price = max(
        number,
        2,
    )
    for _ in range(3):
        price += 1

    def within() -> int:
        return 1

    return price + within()


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Kill(), FIRST + 6),
        (Kill(line=1), FIRST + 6),
        (Kill(line=2), FIRST + 10),
        (Kill(line=3), FIRST + 11),
        (Kill(line=4), FIRST + 13),
        (Kill(line=5), FIRST + 16),
        (Kill(before="price += 1"), FIRST + 11),
        (Kill(before="2,"), FIRST + 6),
        (Kill(at="end"), None),
        (LedgerAway(), None),
        (LedgerAway(at="start"), FIRST + 6),
    ],
    ids=str,
)
def test_a_point_is_a_line_of_the_file(fault: Fault, line: int | None) -> None:
    spot = spot_of(example, fault)
    assert (spot.file, spot.function, spot.line) == (__file__, "example", line)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Kill(line=6), "has 5 lines .* The last is: return price"),
        (Kill(before="nowhere"), "No line of example has 'nowhere' in it"),
    ],
)
def test_a_point_that_is_not_there_is_refused(fault: Fault, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        spot_of(example, fault)


def test_a_fault_has_one_point() -> None:
    with pytest.raises(BadInput, match=r"Raise\(line=2, at='end'\) names more than one point"):
        Raise(line=2, at="end")
    with pytest.raises(BadInput, match="attempts count from 1"):
        Kill(attempt=0)
    with pytest.raises(BadInput, match="at='middle' is no point"):
        Kill(at="middle")
