"""The tables of what was measured on PostgreSQL."""

from __future__ import annotations

from bench.speed.measures.postgres import added, lifecycles
from bench.speed.report import figure, median, ratio, short, table, times, whole
from bench.speed.rounds import Comparison
from bench.speed.tables import COSTS


def lived(found: dict[int, Comparison]) -> str:
    """Lifecycles a second, beside pgbench."""
    rows = [
        [
            whole(number),
            name,
            figure(sides, name, "per_second", whole),
            times(ratio(sides, name, lifecycles.ONE_CLIENT, "per_second")),
            times(ratio(sides, name, lifecycles.EIGHT_CLIENTS, "per_second")),
            figure(sides, name, "p50_ms", short),
            figure(sides, name, "p99_ms", short),
            " + ".join(whole(value) for value in _processor(sides, name)) or "–",
        ]
        for number, sides in found.items()
        for name in sides
    ]
    heads = ["in flight", "side", "lifecycles/s", "÷ pgbench 1", "÷ pgbench 8", "submit p50 ms", "submit p99 ms",
             "processor µs each, process + server"]  # fmt: skip
    return f"{table(heads, rows)}\n\n{lifecycles.versions()}"


def _processor(sides: Comparison, name: str) -> list[float]:
    """Known where all work is in one process: a worker of its own is not counted."""
    found = [median(sides, name, key) for key in ("cpu_us", "server_us")]
    return [value for value in found if value is not None] if found[1] is not None else []


def added_to(sides: Comparison) -> str:
    """What settled adds to each task over an engine."""
    rows = []
    for engine, (bare, _, ours, _) in added.PAIRS.items():
        rows.append(
            [engine, figure(sides, bare, "per_second", whole), figure(sides, ours, "per_second", whole),
             percent(added_cost(sides, bare, ours))]
        )  # fmt: skip
    return table(["64 in flight, lifecycles/s", "the engine alone", "settled over it", "added to each task"], rows)


def added_cost(sides: Comparison, bare: str, ours: str) -> float | None:
    """The share by which a task takes longer: one more or less than how many times as many the bare engine does."""
    found = ratio(sides, bare, ours, "per_second")
    return None if found is None else found - 1


def percent(value: float | None) -> str:
    """A share as people read it."""
    return "–" if value is None else f"{value:+.0%}"


def large(sides: Comparison) -> str:
    """Submit, poll, claim and sweep in an empty and a large table."""
    empty, full = sides
    rows = []
    for key, what in COSTS_OF_LARGE.items():
        faster = ratio(sides, empty, full, key)
        rows.append([what, figure(sides, empty, key, short), figure(sides, full, key, short), times(faster)])
    return table(["", empty, full, "speed of the large one ÷ the empty one"], rows)


COSTS_OF_LARGE = {
    **{key: f"{what}, µs" for key, what in COSTS.items()},
    "submit_us": "submit of one task (`ledger.add`), µs",
    "claim_us": "claim of one task (`ledger.claim`), µs",
    "sweep_pages": "pages of 8 KiB that a sweep of nothing touches",
    "filled_s": "(to fill the table, s)",
}


def waited(sides: Comparison) -> str:
    """Connections and queries while pages wait."""
    rows = [
        [name, figure(sides, name, "connections", whole), figure(sides, name, "per_second", short)] for name in sides
    ]
    return table(
        ["pages that wait in one process", "its connections", "transactions a second, of all its threads"], rows
    )


def worn(sides: Comparison) -> str:
    """What lifecycles leave behind."""
    rows = [
        [
            name,
            figure(sides, name, "times", short),
            figure(sides, name, "table_mib", short),
            figure(sides, name, "table_least_mib", short),
            figure(sides, name, "index_mib", short),
            figure(sides, name, "index_least_mib", short),
            figure(sides, name, "dead", whole),
            figure(sides, name, "hot_share", percent_of),
            figure(sides, name, "vacuums", whole),
            figure(sides, name, "per_second", whole),
        ]
        for name in sides
    ]
    heads = ["storage", "size ÷ the least", "table MiB", "at least", "indexes MiB", "at least", "dead rows",
             "HOT updates", "autovacuums", "lifecycles/s"]  # fmt: skip
    return table(heads, [[cell.split(" (")[0] for cell in row] for row in rows])


def percent_of(value: float) -> str:
    """A share of a whole."""
    return f"{value:.0%}"
