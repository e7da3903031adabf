"""What became of an attempt is told with whatever memory is left."""

from __future__ import annotations

import weakref

import pytest

from settled.runner import outcome
from settled.states import Reason


class Hoard(list[int]):
    """What a task function used all memory for; a plain list has no weak references."""


def test_what_used_up_the_memory_is_let_go_before_its_end_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Hoard]] = []
    described = outcome._described

    def hoards() -> None:
        hoard = Hoard()
        held.append(weakref.ref(hoard))
        raise MemoryError

    def describes(error: BaseException) -> str:
        assert held[0]() is None
        return described(error)

    monkeypatch.setattr(outcome, "_described", describes)
    with pytest.raises(MemoryError) as caught:
        hoards()
    told = outcome.raised(caught.value)
    assert (told.reason, told.error_type) == (Reason.EXCEPTION, "MemoryError")
    assert told.message == "MemoryError was raised without a message."
    assert "in hoards" in (told.traceback or "")


@pytest.mark.parametrize(("error", "kind"), [(MemoryError(), "MemoryError"), (ValueError("well"), "Exception")])
def test_an_end_that_cannot_be_described_for_lack_of_memory_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, kind: str
) -> None:
    def describes(error: BaseException) -> str:
        raise MemoryError

    monkeypatch.setattr(outcome, "_described", describes)
    told = outcome.raised(error)
    assert (told.reason, told.error_type) == (Reason.EXCEPTION, kind)
    assert told.message == "The task function raised an error that cannot be described."
