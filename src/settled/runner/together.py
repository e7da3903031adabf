"""Runs several attempts of one task function in one call; each keeps an outcome, and an end, of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from settled.runner.base import Call, Isolation, Work
from settled.runner.outcome import Outcome, of_each


class Together:
    """An isolation for the attempts of one call: each ``start`` joins, ``begin`` makes the call.

    Giving one of them up leaves the others alone; the work is stopped when nobody wants it any more. ``over`` is
    called once, when the call has ended or is left behind.
    """

    def __init__(self, isolation: Isolation, over: Callable[[], None]) -> None:
        self._isolation = isolation
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._members: list[_Member] = []
        self._work: Work | None = None
        self._ended = False

    def start(self, call: Call, ended: Callable[[Outcome], None]) -> _Member:
        member = _Member(self, call, ended)
        self._members.append(member)
        return member

    def begin(self) -> None:
        """Make the call, unless nobody wants it; whatever keeps it from being made, it is over then."""
        if not any(member.wanted for member in self._members):
            self._over()
            return
        first = self._members[0].call
        items = [member.call.args[0] for member in self._members]
        try:
            self._work = self._isolation.start(first._replace(args=[items], kwargs={}), self._finish)
        except BaseException:
            self._over()
            raise

    def fail(self, outcome: Outcome) -> None:
        """End all of them alike: the call could not be made."""
        for member in self._members:
            member.ended(outcome)

    def close(self) -> None:
        """It is not this one that keeps threads and processes."""

    def where(self) -> str:
        """Where the call is just now."""
        return self._work.where() if self._work is not None else ""

    def interrupt(self) -> None:
        """Break a call that blocks its thread."""
        if self._work is not None:
            self._work.interrupt()

    def leave(self, member: _Member) -> None:
        """One of them is given up on."""
        member.wanted = False
        if any(other.wanted for other in self._members) or self._work is None:
            with suppress(RuntimeError):  # the loop is closed; nobody waits for it
                self._loop.call_soon_threadsafe(member.ended, Outcome(None))
        else:
            self._work.give_up()

    def _finish(self, outcome: Outcome) -> None:
        if self._ended:
            return
        self._ended = True
        self._over()
        for member, its in zip(self._members, of_each(outcome, len(self._members)), strict=True):
            member.wanted = False
            member.ended(its)


class _Member:
    """One attempt's part in the call."""

    __slots__ = ("_together", "call", "ended", "wanted")

    def __init__(self, together: Together, call: Call, ended: Callable[[Outcome], None]) -> None:
        self._together = together
        self.call = call
        self.ended = ended
        self.wanted = True

    def give_up(self) -> None:
        self._together.leave(self)

    def where(self) -> str:
        return self._together.where()

    def interrupt(self) -> None:
        self._together.interrupt()
