"""What a cell is worth: whether the client ended, and with the truth. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.waiters.rows import STOPPED

TRUE, VAGUE, ASKS_ON, FALSE, HUNG, ABSENT = "true", "vague", "asks on", "false", "hung", "absent"
GRADES = {
    TRUE: "ended, and said what is the case",
    VAGUE: "ended with an error that does not say whether the task failed or only the watching did",
    ASKS_ON: "shows an end, and goes on asking for ever",
    FALSE: "ended, and said what is not the case",
    HUNG: "still waiting, three times as long as the task can take",
    ABSENT: "cannot happen to this client",
}
ERROR = "error"
"""What a client tells that knows of no kinds of failure."""
IN_FLIGHT = 0.15
"""Seconds (of the kit's) within which a request may still arrive that was sent before the end."""


@dataclass
class Outcome:
    """What was seen of one client at one row; instants in seconds of the task's clock."""

    told: list[tuple[float, int, str | None, str]] = field(default_factory=list)  # when, which copy, end, message
    asked: list[float] = field(default_factory=list)  # when the server heard each request
    sent: list[float] = field(default_factory=list)  # when the page sent one, be it refused, or queued in the browser
    left: float | None = None  # when the page took it away
    held: int = 0  # connections that were still open at the end
    watched: float = 0.0  # until when it was looked at


@dataclass
class Grade:
    """One cell of the table."""

    grade: str
    end: str | None
    message: str
    seconds: float | None
    requests: int
    after: int


def graded(outcome: Outcome, truth: str, copies: int) -> Grade:
    """The last word of each copy counts; of several copies the worst one."""
    if truth == STOPPED:
        return _stopped(outcome)
    last: dict[int, tuple[float, str | None, str]] = dict.fromkeys(range(copies), (0.0, None, ""))
    for at, copy, end, message in outcome.told:
        same = last[copy][1] == end  # an end that is told again is as old as its first telling
        last[copy] = (last[copy][0] if same else at, end, message)
    worst = max(last.values(), key=lambda word: (_badness(word[1], truth), word[0]))
    at, end, message = worst
    if end != truth and _takes_back(outcome):
        return Grade(ASKS_ON, None, "shows an error, takes it back, and so on", None, len(outcome.asked), 0)
    if end is None:
        return Grade(HUNG, None, _how(outcome), None, len(outcome.asked), 0)
    ended = max(when for when, _, _ in last.values())
    after = sum(asked > ended + IN_FLIGHT for asked in outcome.asked)
    grade = (TRUE, VAGUE, FALSE)[_badness(end, truth)]
    if after and outcome.asked[-1] > outcome.watched - 2.5:
        grade = max(grade, ASKS_ON, key=(TRUE, VAGUE, ASKS_ON, FALSE).index)
    return Grade(grade, end, message, round(at, 2), len(outcome.asked), after)


def _takes_back(outcome: Outcome) -> bool:
    """Whether it goes to and fro between an end and waiting: what it shows at the last moment is chance."""
    ends = [end is not None for _, _, end, _ in sorted(outcome.told, key=lambda told: (told[1], told[0]))]
    return (True, False, True) in zip(ends, ends[1:], ends[2:], strict=False)


def _stopped(outcome: Outcome) -> Grade:
    assert outcome.left is not None
    after = sum(asked > outcome.left + IN_FLIGHT for asked in outcome.asked)
    if after or outcome.held:
        what = f"{after} requests after it was taken away" if after else "its connection is still open"
        return Grade(HUNG, None, what, None, len(outcome.asked), after)
    return Grade(TRUE, STOPPED, "", round(outcome.left, 2), len(outcome.asked), 0)


def _badness(end: str | None, truth: str) -> int:
    if end is None:
        return 3
    if end == truth:
        return 0
    return 1 if end == ERROR and truth != "completed" else 2


def _how(outcome: Outcome) -> str:
    lately = sum(sent > outcome.watched - 2.5 for sent in outcome.sent or outcome.asked)
    return f"asking, {lately} times in the last 2.5 s" if lately else "silent"
