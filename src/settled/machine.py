"""The machine of a wait: what to do next, from what was seen and the clocks, so that the wait always ends.

It is a generator without I/O: it says ``Look`` or how many seconds to pause, is told what was seen, and returns one
of the six endings. The browser client's machine (``js/src/machine.ts``) is the same; both are held to the histories
in ``js/test/scenarios.json``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator
from typing import NamedTuple

from settled.errors import BadInput, BadTaskId, SettledError, TaskNotFound
from settled.records import Ending, Snapshot, ending_of
from settled.states import End

GRACE = 5.0
"""Seconds after the task's own deadline for which trouble is still borne."""
PATIENCE = 30.0
"""Seconds for which trouble is borne if nobody has ever answered."""
LOOK_AGAIN = 5.0
"""Seconds after which to look even if no bell has rung: a hint may be lost. Also how often the clocks are compared."""
HOLD = 20.0
"""Seconds for which a server is asked to hold a request, at most."""
ANSWER = 10.0
"""Seconds that an answer may take beyond that."""
LAST = 3.0
"""Seconds that the last look gets, at the least."""
LAG = 3.0
"""Seconds for which a replica may not know a task that was just submitted."""
SLOWEST = 30.0
"""Seconds for which a ``retry_after``, however absurd, puts a look off at most."""
SKEW = 2.0
"""Seconds by which two clocks may differ; by more, the machine has slept."""


class Look(NamedTuple):
    """Look now; ask the server to ``hold`` the request for so many seconds; give the answer up after ``room``."""

    hold: int
    room: float


class Told(NamedTuple):
    """A task as somebody far away tells it; ``settles_in`` and ``retry_after`` (seconds) if they make sense."""

    snapshot: Snapshot
    settles_in: float | None
    retry_after: float | None


class Trouble(NamedTuple):
    """No answer; and when to ask again, if that was said."""

    why: str
    retry_after: float | None = None


Seen = Snapshot | Told | Trouble | Ending | SettledError
Machine = Generator[Look | float, Seen | None, Ending]


class Terms(NamedTuple):
    """How patient a wait is, in seconds, and what it stands on."""

    timeout: float | None = None
    grace: float = GRACE
    patience: float = PATIENCE
    lag: float = 0.0  # for so long one that is not known may yet be
    rings: bool = True  # whether somebody wakes it; else it polls
    who: str = "ledger"


def machine(terms: Terms, clock: Callable[[], float], wall: Callable[[], float], begun: float | None = None) -> Machine:
    """Yield ``Look`` or seconds to pause; be sent what was seen; return the ending. ``wall`` tells of a sleep."""
    wait = _Wait(terms, clock, wall, begun)
    while True:
        look = wait.look()
        seen = yield look
        assert seen is not None
        wait.compare_clocks(look.room)
        ending = wait.ending(seen, look)
        if ending is not None:
            return ending
        pause = wait.pause
        while pause > 0 or terms.rings:
            part = pause if terms.rings else min(pause, LOOK_AGAIN)
            yield part
            slept = wait.compare_clocks(part)
            pause -= part
            if terms.rings or slept:
                break


def checked_timeout(timeout: object) -> None:
    """Raise ``BadInput`` for what is no number of seconds."""
    number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and not math.isnan(timeout)
    if timeout is not None and not number:
        raise BadInput(
            f"timeout={timeout!r} is not possible: give seconds as a number, or None to wait for as long as the task "
            "may take."
        )


class _Wait:
    """What a wait knows, and what follows from it."""

    def __init__(
        self, terms: Terms, clock: Callable[[], float], wall: Callable[[], float], begun: float | None
    ) -> None:
        checked_timeout(terms.timeout)
        self.terms, self.clock, self.wall = terms, clock, wall
        self.now, self.noon = clock(), wall()
        self.begun = self.now if begun is None else begun
        self.bound = self.begun + max(terms.patience, terms.grace if not terms.rings else 0.0)
        self.mine = math.inf if terms.timeout is None else self.begun + terms.timeout
        self.seen_at: float | None = None
        self.missing_since: float | None = None
        self.looked = self.fresh = self.begun
        self.spares = 5
        self.plain, self.holds = True, True
        self.polls, self.errors = 0, 0
        self.pause = 0.0
        self.why: object = ""

    @property
    def promise(self) -> float:
        return self.bound - self.terms.grace

    def look(self) -> Look:
        self.looked = self.now
        hold = 0
        if not self.plain and (self.holds or self.polls % 5 == 4):
            hold = int(min(HOLD, max(0.0, self.promise - self.now)))
        close = self.bound - (LAST + 0.5 if self.now < self.promise else 0.0)
        return Look(hold, min(hold + ANSWER, max(LAST, close - self.now)))

    def compare_clocks(self, expected: float) -> bool:
        """Whether this machine seems to have slept or been frozen since the last time; a fresh look is due then."""
        now, noon = self.clock(), self.wall()
        slept = noon - self.noon - (now - self.now)
        suspect = abs(slept) > SKEW or now - self.now > expected + LOOK_AGAIN
        self.now, self.noon = now, noon
        if suspect and not self.terms.rings:
            self.plain = True
            if now < self.bound or self.spares > 0:
                self.spares -= now >= self.bound
                self.fresh = now
            if slept > SKEW and self.seen_at is not None:
                self.bound = min(self.bound, max(self.bound - slept, now + self.terms.patience))
        return suspect

    def ending(self, seen: Seen, look: Look) -> Ending | None:
        """The ending that this means, if any; else how long to ``pause`` is known then."""
        if isinstance(seen, Ending):
            return seen
        if isinstance(seen, (Snapshot, Told)):
            told = Told(seen, seen.settles_in, None) if isinstance(seen, Snapshot) else seen
            if told.snapshot.settled:
                return ending_of(told.snapshot)
            self._answered(told, look)
        elif isinstance(seen, (TaskNotFound, BadTaskId)):
            if self.missing_since is None:
                self.missing_since = self.looked
            if self.seen_at is not None or self.now - self.missing_since >= self.terms.lag:
                return Ending(End.UNKNOWN, None, None, str(seen))
            self.pause = min(0.75, self.missing_since + self.terms.lag - self.now)
        else:
            self._troubled(seen)
        return self._verdict(seen)

    def _answered(self, told: Told, look: Look) -> None:
        took = self.now - self.looked
        if told.settles_in is not None:
            promised = self.now + told.settles_in + self.terms.grace
            # No later answer takes it back, else one that says "in a minute" for ever keeps a wait for ever.
            self.bound = promised if self.seen_at is None else min(self.bound, promised)
        self.seen_at, self.errors, self.missing_since, self.plain = self.now, 0, None, False
        if self.terms.rings:
            self.pause = min(LOOK_AGAIN, (told.settles_in or 0.0) + 0.05)
            return
        if look.hold:
            self.holds = took >= 1
        if self.holds:
            self.pause = max(0.0, 0.25 - took)
            return
        asked = min(1.5**self.polls, 5.0) if told.retry_after is None else told.retry_after
        self.polls += 1
        self.pause = min(max(asked, 0.5), SLOWEST) * (1 + random.random() / 5)

    def _troubled(self, seen: Trouble | SettledError) -> None:
        self.why = seen.why if isinstance(seen, Trouble) else seen
        self.missing_since, self.plain = None, True
        slowest, jitter = (2.0, 1.0) if self.terms.rings else (10.0, 0.5 + random.random() / 2)
        self.pause = min(slowest, (0.1 if self.terms.rings else 0.5) * 2**self.errors) * jitter
        self.errors += 1
        if isinstance(seen, Trouble) and seen.retry_after is not None:
            self.pause = max(self.pause, min(seen.retry_after, SLOWEST))

    def _verdict(self, seen: Seen) -> Ending | None:
        if self.now >= self.bound and self.looked >= max(self.fresh, self.promise):
            if self.missing_since is not None:
                return Ending(End.UNKNOWN, None, None, str(seen))
            return Ending(End.UNREACHABLE, None, None, self._unreachable(seen))
        if self.now >= self.mine:
            return Ending(End.ABORTED, None, None, f"You waited {self.terms.timeout:g} s, as asked; {self._known()}")
        ahead = self.promise + 0.25 if self.now < self.promise and not self.terms.rings else self.bound
        self.pause = max(0.0, min(self.pause, ahead - self.now, self.mine - self.now))
        return None

    def _known(self) -> str:
        if self.seen_at is None:
            return f"nothing is known of the task: {self.why or 'there is none of this id, or not for you'}."
        return f"the task goes on and settles within {max(0.0, self.promise - self.now):.0f} s."

    def _unreachable(self, seen: Seen) -> str:
        if isinstance(seen, Snapshot):
            return f"The task should have settled by now, and is still {seen.status}. Run settled doctor on the ledger."
        if isinstance(seen, Told):
            return "The server answers, but the task has not settled by the time that was promised."
        since = "ever" if self.seen_at is None else f"for {self.now - self.seen_at:.0f} s"
        return f"The {self.terms.who} has not answered {since}: {self.why}"
