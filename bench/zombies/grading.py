"""What a cell is worth, as a pure function of what the page saw and what the culprit noted."""

from __future__ import annotations

import math
from typing import Any

from bench.zombies.faults import COMPLETED, FAILED, REFUSED, UNKNOWN, Fault
from bench.zombies.page import Seen

SETTLED, MUTE, LIE, ZOMBIE, BROKEN, ABSENT = "settled", "mute", "lie", "zombie", "broken", "absent"
GRADES = {
    SETTLED: "the page was told the truth, with a reason",
    MUTE: "the page was told that it failed, and nothing of use about why",
    LIE: "the page was told something that is not so, or that changed later",
    ZOMBIE: "the page was told nothing within its minute",
    BROKEN: "not measured: even a task that does nothing did not complete",
    ABSENT: "the system has no such part",
}
LONGEST_REASON = 100_000
"""Characters that a page can show; more is no message to a person."""


def grade(fault: Fault, seen: Seen, notes: list[str]) -> tuple[str, str]:
    """The grade, and in one sentence why."""
    if seen.ended_at is None:
        last = seen.changes[-1][1] if seen.changes else "nothing"
        return ZOMBIE, f"No end within the page's minute; the last answer was: {last}."
    if seen.flipped_to:
        return LIE, f"It was {seen.status}, and later {seen.flipped_to}."
    wrong = _untrue(fault, seen, notes)
    if wrong:
        return LIE, wrong
    if seen.status == FAILED and not usable(fault, seen.reason):
        return MUTE, f"The reason shown is {seen.reason[:80]!r}."
    said = {COMPLETED: "the result is the right one", UNKNOWN: "the page is told that there is no such task"}
    return SETTLED, f"{seen.status}: {said.get(seen.status) or last_line(seen.reason)}"


def last_line(reason: str) -> str:
    """Where a traceback says what it is about."""
    return reason.strip().splitlines()[-1][-300:]


def _untrue(fault: Fault, seen: Seen, notes: list[str]) -> str:
    returned = any(note.endswith(" returned") for note in notes)
    if seen.status not in fault.truths:
        return {
            COMPLETED: "It is called completed, and the task has not done its work.",
            FAILED: f"It is called failed, and the task has done its work. {seen.reason[:200]}",
            UNKNOWN: "The page is told that there is no such task.",
            REFUSED: f"The submit was refused: {seen.reason[:200]}",
        }[seen.status]
    if seen.status == COMPLETED and not returned:
        return "It is called completed, and no execution has returned."
    if seen.status == COMPLETED and not same(seen.result, fault.result):
        return f"It is called completed, with another result: {str(seen.result)[:60]}"
    if seen.status == REFUSED and returned:
        return "The submit was refused, and the task did its work all the same."
    return ""


def same(result: Any, wanted: Any) -> bool:
    """Whether a result is the one that was returned; of 50 MB the length will do."""
    if isinstance(wanted, int):
        return isinstance(result, str) and len(result) == wanted
    if isinstance(wanted, dict) and isinstance(result, dict):
        return result.keys() == wanted.keys() and all(same(result[key], wanted[key]) for key in wanted)
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(result, str) and result.lower() == "nan"
    return bool(result == wanted)


def usable(fault: Fault, reason: str) -> bool:
    """Whether a person learns something from it."""
    text = reason.strip().strip("()\"'")
    if len(text) < 4 or text in ("None", "null") or len(reason) > LONGEST_REASON:
        return False
    return not fault.says or any(word in reason for word in fault.says)
