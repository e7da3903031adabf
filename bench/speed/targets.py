"""The targets that the project has set itself, beside what was measured: met, aimed at and met, or missed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.speed.measures import fresh, polls
from bench.speed.measures.lifecycles import OURS, OURS_HTTP, OURS_LONG_POLL, RAW, USUAL, USUAL_HTTP
from bench.speed.report import median, ratio, short, table, times
from bench.speed.rounds import Comparison

Lifecycles = dict[int, Comparison]


class Measured(NamedTuple):
    """All the figures of a run; what was left out is empty."""

    plain: Lifecycles
    slow: Lifecycles
    http: Lifecycles
    http_slow: Lifecycles
    polls: Comparison
    large: Comparison
    fresh: Comparison


class Target(NamedTuple):
    """At least (or at most) so much; ``aim`` is what one would like."""

    what: str
    found: float | None
    bound: float
    aim: float | None = None
    show: Callable[[float | None], str] = times
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """How the figure stands to its bound."""
        if self.found is None:
            return "not measured"
        if self.at_most:
            return "met" if self.found <= self.bound else "MISSED"
        if self.aim is not None and self.found >= self.aim:
            return "met, and the aim too"
        return "met" if self.found >= self.bound else "MISSED"


def verdicts(measured: Measured, more: Sequence[Target] = ()) -> str:
    """The table of all targets that this run can speak of; those of PostgreSQL are ``more``."""
    rows = []
    for target in [*_lifecycles(measured), *_latency(measured), *_reads(measured), *more]:
        if target.found is None:
            continue
        sign = "≤" if target.at_most else "≥"
        wanted = f"{sign} {target.show(target.bound)}" + (f", aim {target.show(target.aim)}" if target.aim else "")
        rows.append([target.what, wanted, target.show(target.found), target.verdict])
    return table(["target", "wanted", "measured", "verdict"], rows)


def _lifecycles(measured: Measured) -> list[Target]:
    found = []
    bounds = {1: (0.6, 0.9), 64: (6.0, 10.0), 1_000: (10.0, 15.0)}
    for disk, by_number in (("", measured.plain), (", +1 ms a fsync", measured.slow)):
        for number, (bound, aim) in bounds.items():
            value = _ratio(by_number, number, OURS, RAW)
            found.append(Target(f"lifecycles, {number:,} in flight, ÷ raw by hand{disk}", value, bound, aim))
    for disk, here, there in (
        ("", measured.plain, measured.http),
        (", +1 ms a fsync", measured.slow, measured.http_slow),
    ):
        for number in (64, 1_000):
            what = f"lifecycles, {number:,} in flight, ÷ as people write it"
            found.append(Target(f"{what}, both in process{disk}", _ratio(here, number, OURS, USUAL), 20.0))
            found.append(Target(f"{what}, ours in process, theirs over HTTP{disk}", _across(here, there, number), 20.0))
            found.append(
                Target(
                    f"{what}, both over HTTP, same polling{disk}", _ratio(there, number, OURS_HTTP, USUAL_HTTP), 20.0
                )
            )
            if not disk:
                value = _ratio(there, number, OURS_LONG_POLL, USUAL_HTTP)
                found.append(Target(f"{what}, both over HTTP, ours by long poll", value, 20.0))
    return found


def _latency(measured: Measured) -> list[Target]:
    found = []
    for disk, by_number in (("", measured.plain), (", +1 ms a fsync", measured.slow)):
        for number, bound in ((64, 10.0), (1_000, 40.0)):
            value = median(by_number.get(number, {}), OURS, "p99_ms")
            found.append(Target(f"submit p99, {number:,} in flight{disk}", value, bound, show=_ms, at_most=True))
    return found


def _reads(measured: Measured) -> list[Target]:
    found = []
    for kind in polls.KINDS:
        value = ratio(measured.polls, polls.ASGI_OURS, polls.ASGI_HAND, f"{kind}_per_second")
        found.append(Target(f"polls over HTTP of {kind} rows, TasksApp ÷ bare ASGI by hand", value, 0.7))
    value = ratio(measured.fresh, fresh.ASGI_OURS, fresh.ASGI_HAND, "per_second")
    found.append(Target("reads of a fresh key over HTTP, LatestApp ÷ bare ASGI by hand", value, 0.5))
    if measured.large:
        empty, full = measured.large
        for key, what in (("get_open_us", "poll"), ("sweep_us", "sweep")):
            value = ratio(measured.large, empty, full, key)
            found.append(Target(f"{what}, {full}, speed ÷ that of the empty table", value, 0.9))
        sweep = median(measured.large, full, "sweep_us")
        value = None if sweep is None else sweep / 1e3
        found.append(Target(f"sweep, {full}", value, 1.0, show=_ms, at_most=True))
    return found


def _ratio(by_number: Lifecycles, number: int, over: str, under: str) -> float | None:
    return ratio(by_number.get(number, {}), over, under, "per_second")


def _across(in_process: Lifecycles, over_http: Lifecycles, number: int) -> float | None:
    ours = median(in_process.get(number, {}), OURS, "per_second")
    theirs = median(over_http.get(number, {}), USUAL_HTTP, "per_second")
    return ours / theirs if ours is not None and theirs else None


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{short(value)} ms"
