"""What happens in one run, decided before it begins: who takes part, what is to be done, and what goes wrong when.

A plan is made from a seed, can be read, and can be made smaller: that is how a failure shrinks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import accumulate
from random import Random

LEASE = 6.0


@dataclass(frozen=True)
class Work:
    """What one attempt does: how it ends, after how many seconds."""

    kind: str = "ok"
    """ok, raise, hang, stubborn; hold (the event loop, until it is broken off), grip (it cannot be); poison (kills its
    process), unstorable (a result that no database takes)."""
    seconds: float = 0.5


@dataclass(frozen=True)
class Task:
    """One submit: when, with which limits, what its attempts do, and who waits for it how."""

    at: float
    works: tuple[Work, ...]
    timeout: float = 2.0
    start_timeout: float = 5.0
    attempts: int = 1
    backoff: float = 0.5
    isolation: str = "coroutine"
    key: bool = False
    waits: tuple[str, ...] = ("page",)  # page (over HTTP), thread, loop (both in the process that submitted)
    cancel_after: float | None = None
    looks: tuple[float, ...] = ()
    """It is the refresh of a key, and so many seconds after ``at`` somebody looks at it: nobody submits it."""
    batch: int = 1
    """So many of them are submitted together."""
    places: int | None = None
    gap: float | None = None
    """The limits of the lane of this world in which it runs, if it does: how many at once, seconds between starts."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    ``who`` is the number of a process (-1: the database, -2: the broker, -3: the network of the pages); ``at`` is a
    step of that process, the number of its write, of a message or of a request, or an instant in seconds.
    """

    kind: str
    who: int = -1
    at: float = 0
    seconds: float = 0.0

    def __repr__(self) -> str:
        return f"{self.kind}(who={self.who}, at={self.at:g}, seconds={self.seconds:g})"


@dataclass(frozen=True)
class Plan:
    """A whole run."""

    seed: int
    tasks: tuple[Task, ...]
    faults: tuple[Fault, ...]
    webs: int = 1
    workers: int = 1
    engine: str = "embedded"  # or remote
    web_runs: bool = False
    web_sweeps: bool = True
    inline: bool = True
    rechecks: bool = True
    one_machine: bool = True
    jitter: float = 0.002
    between: float = 0.25
    """How often others go on between two statements, where nothing makes anybody wait."""
    clocks: tuple[float, ...] = field(default=())

    def without(self, faults: set[int]) -> Plan:
        return replace(self, faults=tuple(f for n, f in enumerate(self.faults) if n not in faults))


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    chance = Random(seed)
    webs = 1 if chance.random() < 0.8 else 2
    workers = chance.choice((0, 1, 1, 1, 2))
    engine = "remote" if chance.random() < 0.35 else "embedded"
    if engine == "remote":
        workers = max(workers, 1)
    web_runs = engine == "embedded" and ((workers == 0 and chance.random() < 0.9) or chance.random() < 0.2)
    tasks = tuple(_task(chance) for _ in range(1 if chance.random() < 0.6 else 2))
    if chance.random() < 0.15:
        places, gap = chance.choice(((1, None), (1, None), (2, None), (None, 0.7), (1, 0.7)))
        number = chance.choice((1, 2, 3))
        tasks = tuple(replace(t, places=places, gap=gap, batch=1 if t.looks else max(t.batch, number)) for t in tasks)
    processes = webs + workers
    faults = tuple(_fault(chance, processes, webs, engine) for _ in range(chance.choice((0, 1, 1, 2, 2, 2, 3, 3, 4))))
    plan = Plan(
        seed, tasks, faults, webs, workers, engine, web_runs,
        web_sweeps=chance.random() < 0.7, inline=chance.random() < 0.8, rechecks=chance.random() < 0.7,
        one_machine=chance.random() < 0.6, jitter=0.002 if chance.random() < 0.9 else 0.05,
        clocks=tuple(round(chance.uniform(10, 2e5), 3) for _ in range(processes)),
    )  # fmt: skip
    missed = plan.one_machine and not plan.inline and chance.random() < 0.3
    return _with_a_missed_session(chance, plan) if missed else plan


def _with_a_missed_session(chance: Random, plan: Plan) -> Plan:
    """One of those that run tasks is cut off for long while it is likely to work at one; seldom so by itself."""
    tasks = tuple(
        replace(t, attempts=max(t.attempts, 2), timeout=7.5, works=(Work("ok", 5.0), *t.works), isolation="process")
        if not t.looks else t
        for t in plan.tasks
    )  # fmt: skip
    who = chance.randrange(plan.webs if plan.workers else 0, plan.webs + plan.workers)
    cut = Fault("cut", who, chance.randrange(15, 60), LEASE + 2)
    return replace(plan, tasks=tasks, faults=(cut, *plan.faults))


def _task(chance: Random) -> Task:
    attempts = chance.choice((1, 1, 2, 2, 3))
    timeout = chance.choice((1.0, 2.0, 3.0, 7.5))
    works = tuple(_work(chance, timeout) for _ in range(attempts))
    looks: tuple[float, ...] = ()
    if chance.random() < 0.2:
        looks = tuple(sorted(round(chance.uniform(0.0, 6.0), 2) for _ in range(chance.choice((1, 2, 3, 4)))))
        works = tuple(_work(chance, timeout) for _ in range(3))
    batch = chance.choice((2, 3)) if not looks and chance.random() < 0.12 else 1
    return Task(
        round(chance.uniform(0.0, 1.5), 3), works, timeout, chance.choice((3.0, 5.0, 9.0)), attempts,
        chance.choice((0.0, 0.5, 1.0)), chance.choice(("coroutine", "coroutine", "process")), chance.random() < 0.5,
        chance.choice((("page",), ("page",), ("thread",), ("loop",), ("page", "loop"))),
        round(chance.uniform(0.0, 4.0), 2) if chance.random() < 0.08 else None, looks, batch,
    )  # fmt: skip


def _work(chance: Random, timeout: float) -> Work:
    kind = chance.choices(
        ("ok", "raise", "hang", "stubborn", "hold", "grip", "poison", "unstorable"), (55, 15, 6, 5, 5, 3, 6, 6)
    )[0]
    if kind == "grip":
        return Work(kind, LEASE + 3)
    seconds = chance.choice((0.01, 0.3, 0.8, 2.5, timeout - 0.05, timeout, timeout + 0.2))
    return Work(kind, round(seconds, 3))


_FAULTS = (
    ("crash", 20), ("crash_for_good", 8), ("freeze", 16), ("cut", 12), ("lost_reply", 14), ("slow", 10), ("deploy", 4),
    ("away", 10), ("full", 9), ("wall", 2), ("drop", 8), ("double", 6), ("late", 4), ("refuse", 2), ("broker_away", 3),
    ("unsure", 3), ("net", 6), ("net_reply", 5), ("leave", 4),
)  # fmt: skip
_BROKER = {"drop", "double", "late", "refuse", "broker_away", "unsure"}
_KINDS = {
    engine: (kinds, tuple(accumulate(weights)))
    for engine, faults in (
        ("remote", _FAULTS), ("embedded", [fault for fault in _FAULTS if fault[0] not in _BROKER])
    )
    for kinds, weights in [zip(*faults, strict=True)]
}  # fmt: skip
"""Engine → what may go wrong, and the running sums of how often."""


def _fault(chance: Random, processes: int, webs: int, engine: str) -> Fault:
    kinds, sums = _KINDS[engine]
    kind = chance.choices(kinds, cum_weights=sums)[0]
    who = chance.randrange(processes)
    span = chance.choice((0.3, 1.0, 2.5, LEASE + 2, 20.0))
    if kind in ("crash", "crash_for_good"):
        return Fault(kind, who, int(chance.expovariate(1 / 45)) + 1, chance.choice((0.2, 1.5, LEASE + 2)))
    if kind == "leave":
        return Fault(kind, who, int(chance.expovariate(1 / 45)) + 1)
    if kind in ("freeze", "cut"):
        return Fault(kind, who, int(chance.expovariate(1 / 45)) + 1, span)
    if kind in ("lost_reply", "slow"):
        return Fault(kind, who, int(chance.expovariate(1 / 4)) + 1, span if kind == "slow" else 0.0)
    if kind in ("deploy", "wall"):
        return Fault(kind, who, round(chance.uniform(0.2, 8.0), 3), chance.choice((-3600.0, -2.0, 2.0, 3600.0)))
    if kind in ("away", "full", "broker_away", "net"):
        who = {"away": -1, "full": -1, "broker_away": -2, "net": -3}[kind]
        return Fault(kind, who, round(chance.uniform(0.0, 8.0), 3), span)
    return Fault(kind, -3 if kind == "net_reply" else -2, int(chance.expovariate(1 / 2)) + 1, span)
