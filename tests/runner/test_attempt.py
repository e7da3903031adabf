"""One attempt that is given up on from another thread, as the watchdog does, while it begins."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from settled.records import Snapshot, Verdict
from settled.runner.attempt import Attempt
from settled.runner.base import Call, Function
from settled.runner.outcome import Outcome
from settled.runner.together import Together
from settled.states import Reason
from tests.core.test_verdicts import NOW, row


class Desk:
    """An engine that only takes note."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def settle(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def now(self) -> int:
        return NOW

    def report(self, attempt: Attempt, fraction: float | None, message: str) -> None:
        pass

    def left(self, attempt: Attempt) -> None:
        pass


class Work:
    """Work that does nothing, and never ends."""

    def __init__(self) -> None:
        self.given_up = False

    def give_up(self) -> None:
        self.given_up = True

    def where(self) -> str:
        return ""

    def interrupt(self) -> None:
        pass


class Isolation:
    """Something else happens while it starts the work."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.begun: list[Work] = []
        self._meanwhile = meanwhile

    def start(self, call: Call, ended: Callable[[Outcome], None]) -> Work:
        thread = threading.Thread(target=self._meanwhile)
        thread.start()
        thread.join()
        self.begun.append(Work())
        return self.begun[-1]

    def close(self) -> None:
        pass


FUNCTION = Function(print, "work", None, 1_000)


def task(**changes: object) -> Snapshot:
    return row(arguments='{"args":[1],"kwargs":{}}', **changes)


def give_up(attempt: Attempt) -> None:
    attempt.give_up(Reason.WORKER_LOST, "The lease is over.")


def test_work_that_was_given_up_on_while_it_was_started_is_stopped() -> None:
    desk = Desk()
    attempt = Attempt(task(), desk)
    isolation = Isolation(lambda: give_up(attempt))
    attempt.start(FUNCTION, isolation)
    assert [work.given_up for work in isolation.begun] == [True]
    assert len(desk.verdicts) == 1


def test_work_whose_time_is_over_already_is_not_started() -> None:
    desk = Desk()
    isolation = Isolation()
    Attempt(task(attempt=3, started_at=NOW - 10_000), desk).start(FUNCTION, isolation)
    assert isolation.begun == []
    assert [verdict.reason for verdict in desk.verdicts] == [Reason.TIMEOUT]
    assert "before it could begin" in str(desk.verdicts[0].error_message)


def test_a_call_that_nobody_wants_any_more_is_not_made() -> None:
    isolation = Isolation()
    over: list[bool] = []

    async def begin() -> None:
        together = Together(isolation, lambda: over.append(True))
        attempt = Attempt(task(), Desk())
        attempt.start(FUNCTION._replace(group=2), together)
        give_up(attempt)
        together.begin()

    asyncio.run(begin())
    assert isolation.begun == []
    assert over == [True]


def test_those_of_one_call_are_given_up_on_though_their_loop_is_closed() -> None:
    isolation = Isolation()
    attempts = [Attempt(task(id=str(number)), Desk()) for number in range(3)]

    async def begin() -> None:
        together = Together(isolation, lambda: None)
        for attempt in attempts:
            attempt.start(FUNCTION._replace(group=3), together)
        together.begin()

    asyncio.run(begin())
    for attempt in attempts:
        give_up(attempt)
    assert [work.given_up for work in isolation.begun] == [True]
