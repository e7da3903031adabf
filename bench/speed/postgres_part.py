"""The part of the report about PostgreSQL: which measurements, in which order, and what they are held to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.speed import postgres
from bench.speed import postgres_tables as tables
from bench.speed.measures.plan import Plan
from bench.speed.measures.postgres import added, bloat, large, lifecycles, waiting
from bench.speed.report import median, ratio, short
from bench.speed.rounds import Comparison
from bench.speed.targets import Target

Section = Callable[[str, str, str, Callable[[], Any], Callable[[Any], str]], None]
TICKS = 10.0
"""Of the follower, in a second."""


def facts() -> dict[str, str]:
    """Which server it is; raises ``NotMeasured`` if there is none."""
    server = postgres.find()
    return {"PostgreSQL": postgres.facts(server), "beside it": lifecycles.versions()}


def measure(plan: Plan, section: Section) -> None:
    """Run what was asked for."""
    title = "Lifecycles with a stored result, on PostgreSQL"
    section("pg-lifecycles", "pg_lifecycles", title, lambda: lifecycles.lifecycles(plan), tables.lived)
    section("pg-added", "pg_added", "settled over another engine", lambda: added.added(plan), tables.added_to)
    section("pg-large", "pg_large", "A large table", lambda: large.costs(plan), tables.large)
    section("pg-waiting", "pg_waiting", "Pages that wait", lambda: waiting.pages(plan), tables.waited)
    title = f"Size of the table after {plan.worn_by:,} lifecycles"
    section("pg-bloat", "pg_bloat", title, lambda: bloat.bloat(plan), tables.worn)


def targets(found: dict[str, Any]) -> list[Target]:
    """What PostgreSQL is held to."""
    return [
        *_lifecycles(found.get("pg_lifecycles", {})),
        *_added(found.get("pg_added", {})),
        *_large(found.get("pg_large", {})),
        *_waiting(found.get("pg_waiting", {})),
    ]


def _lifecycles(by_number: dict[int, Comparison]) -> list[Target]:
    found = []
    bounds = {
        1: (lifecycles.ONE_CLIENT, 0.35),
        64: (lifecycles.EIGHT_CLIENTS, 2.0),
        1_000: (lifecycles.EIGHT_CLIENTS, 4.0),
    }
    for number, (base, bound) in bounds.items():
        value = ratio(by_number.get(number, {}), lifecycles.OURS, base, "per_second")
        found.append(Target(f"PostgreSQL: lifecycles, {number:,} in flight, ÷ {base}", value, bound))
    value = ratio(by_number.get(1_000, {}), lifecycles.OURS, lifecycles.LIMIT, "per_second")
    found.append(Target("PostgreSQL: lifecycles, 1,000 in flight, ÷ the set-based limit (an aim)", value, 0.5))
    for number, sides in by_number.items():
        for peer in lifecycles.PEERS:
            value = ratio(sides, lifecycles.OURS, peer, "per_second")
            found.append(Target(f"PostgreSQL: lifecycles, {number:,} in flight, ÷ {peer}", value, 1.0))
    return found


def _added(sides: Comparison) -> list[Target]:
    found = []
    for engine, (bare, _, ours, _) in added.PAIRS.items():
        value = tables.added_cost(sides, bare, ours)
        found.append(
            Target(f"PostgreSQL: added to each task over {engine}", value, 0.15, show=tables.percent, at_most=True)
        )
    return found


def _large(sides: Comparison) -> list[Target]:
    if not sides:
        return []
    empty, full = sides
    found = []
    for key, what in (("submit_us", "submit"), ("get_open_us", "poll"), ("claim_us", "claim"), ("sweep_us", "sweep")):
        value = ratio(sides, empty, full, key)
        found.append(Target(f"PostgreSQL: {what}, {full}, speed ÷ that of the empty table", value, 0.9))
    sweep = median(sides, full, "sweep_us")
    milliseconds = None if sweep is None else sweep / 1e3
    found.append(Target(f"PostgreSQL: sweep, {full}", milliseconds, 3.0, show=_ms, at_most=True))
    return found


def _waiting(sides: Comparison) -> list[Target]:
    found = []
    rest = median(sides, "0 pages", "per_second")
    for name in sides:
        connections = median(sides, name, "connections")
        found.append(
            Target(f"PostgreSQL: connections of a process, {name} waiting", connections, 3, show=_count, at_most=True)
        )
        much = median(sides, name, "per_second")
        if name != "0 pages" and rest is not None and much is not None:
            what = f"PostgreSQL: queries for each tick, {name} waiting, beyond those of a process at rest"
            found.append(Target(what, max(0.0, much - rest) / TICKS, 1.0, show=_short, at_most=True))
    return found


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{short(value)} ms"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _short(value: float | None) -> str:
    return "–" if value is None else short(value)
