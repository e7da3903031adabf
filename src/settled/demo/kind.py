"""A fault in every isolation where it can happen: one line of the table, and the faults that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from settled import Reason
from settled.demo.fault import Fault, Place, Plot
from settled.demo.plots import left_alone

Home = tuple[Place, str]

ON_THE_LOOP, IN_A_THREAD, IN_A_PROCESS = ((Place.SERVER, isolation) for isolation in ("coroutine", "thread", "process"))
WORKER_LOOP, WORKER_THREAD = ((Place.WORKER, isolation) for isolation in ("coroutine", "thread"))
SCRATCH: Home = (Place.SCRATCH, "coroutine")
NOWHERE: Home = (Place.NOWHERE, "none")
EVERYWHERE = (ON_THE_LOOP, IN_A_THREAD, IN_A_PROCESS)
DEADLY = (IN_A_PROCESS, WORKER_THREAD, WORKER_LOOP)  # only a process of its own dies without its neighbours

USUAL = {"timeout": 15.0, "start_timeout": 60.0, "backoff": 0.2}
EXTRA = {Place.SERVER: 1.5, Place.WORKER: 4.0, Place.SCRATCH: 2.0, Place.NOWHERE: 5.0}
EXTRA_FOR_A_PROCESS = 3.0
"""Seconds allowed beyond what the fault itself takes, if nothing else goes on: a process, or a worker, starts first."""


class Kind(NamedTuple):
    """A fault in all the isolations where it can happen; ``takes`` is its own share of the time, in seconds."""

    name: str
    title: str
    what: str
    culprit: Callable[..., Any]
    reason: Reason | None  # None: it completes
    homes: tuple[Home, ...] = EVERYWHERE
    takes: float = 0.0
    limits: Mapping[str, Any] = MappingProxyType({})
    plot: Plot = left_alone
    copies: int = 1
    ending: str = ""  # where it is neither of the two above

    def faults(self, group: str) -> Iterator[Fault]:
        """One fault for each isolation."""
        for place, isolation in self.homes:
            extra = EXTRA_FOR_A_PROCESS if isolation == "process" else EXTRA[place]
            yield Fault(
                kind=self.name,
                group=group,
                title=self.title,
                what=self.what,
                isolation=isolation,
                place=place,
                status=self.ending or ("failed" if self.reason else "completed"),
                reason=self.reason,
                within=self.takes + extra,
                culprit=self.culprit,
                plot=self.plot,
                copies=self.copies,
                limits={**USUAL, **self.limits},
            )


def named(table: Mapping[str, Iterable[Kind]]) -> dict[str, Fault]:
    """Every fault of a table by its name: the first of a kind has the plain name, the others say their isolation."""
    found: dict[str, Fault] = {}
    for fault in (fault for group, kinds in table.items() for kind in kinds for fault in kind.faults(group)):
        name = f"{fault.kind}-in-{fault.isolation}" if fault.kind in found else fault.kind
        found[name] = replace(fault, name=name)
    return found
