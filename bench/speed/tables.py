"""The tables of the report, one function for each measurement."""

from __future__ import annotations

from bench.speed.measures import at_rest, fresh, polls
from bench.speed.measures.lifecycles import OURS, OURS_HTTP, OURS_LONG_POLL, RAW, USUAL, USUAL_HTTP
from bench.speed.report import figure, median, ratio, short, table, times, whole
from bench.speed.rounds import Comparison


def in_process(found: dict[int, Comparison]) -> str:
    """Lifecycles a second and submit latency, in process."""
    rows: list[list[str]] = []
    for number, sides in found.items():
        rows += [
            [
                whole(number),
                name,
                figure(sides, name, "per_second", whole),
                times(ratio(sides, name, RAW, "per_second")),
                times(ratio(sides, name, USUAL, "per_second")),
                figure(sides, name, "p50_ms", short),
                figure(sides, name, "p99_ms", short),
                figure(sides, name, "cpu_us", whole),
            ]
            for name in sides
        ]
    heads = [
        "in flight",
        "side",
        "lifecycles/s",
        "÷ raw",
        "÷ usual",
        "submit p50 ms",
        "submit p99 ms",
        "processor µs each",
    ]
    return table(heads, rows)


def told(sides: Comparison) -> str:
    """How late pages know."""
    keys = ("told_p50_ms", "told_p99_ms")
    rows = [[name, *(figure(sides, name, key, short) for key in keys)] for name in sides]
    return table(["side", "told after, p50 ms", "p99 ms"], rows)


def over_http(found: dict[int, Comparison]) -> str:
    """The same over HTTP."""
    rows: list[list[str]] = []
    for number, sides in found.items():
        rows += [
            [
                whole(number),
                name,
                figure(sides, name, "per_second", whole),
                times(ratio(sides, name, USUAL_HTTP, "per_second")),
                figure(sides, name, "p50_ms", short),
                figure(sides, name, "p99_ms", short),
                figure(sides, name, "client_busy", short),
            ]
            for name in sides
        ]
    heads = ["in flight", "side", "lifecycles/s", f"÷ {USUAL_HTTP}", "submit p50 ms", "submit p99 ms", "client busy"]
    return table(heads, rows)


def polled(sides: Comparison) -> str:
    """Polls a second."""
    rows = []
    for name in sides:
        base = polls.FASTAPI_HAND if name in (polls.FASTAPI_HAND, polls.FASTAPI_OURS) else polls.ASGI_HAND
        cells = [name]
        for kind in polls.KINDS:
            cells.append(figure(sides, name, f"{kind}_per_second", whole))
            cells.append(times(ratio(sides, name, base, f"{kind}_per_second")))
            cells.append(times(ratio(sides, name, base, f"{kind}_per_cpu_second")))
        busy = [median(sides, name, f"settled_{which}_busy") for which in ("server", "client")]
        rows.append([*cells, *("–" if value is None else f"{value:.2f}" for value in busy)])
    of_kinds = [head for kind in polls.KINDS for head in (f"polls/s, {kind} rows", "÷ by hand", "a processor second")]
    heads = ["side", *of_kinds, "server busy", "client busy"]
    return table(heads, rows)


def fresh_reads(sides: Comparison) -> str:
    """Reads of fresh keys a second."""
    rows = []
    for name in sides:
        base = fresh.FASTAPI_HAND if name in (fresh.FASTAPI_HAND, fresh.FASTAPI_OURS) else fresh.ASGI_HAND
        cells = [name, figure(sides, name, "per_second", whole)]
        cells += [times(ratio(sides, name, base, key)) for key in ("per_second", "per_cpu_second")]
        busy = [median(sides, name, f"{which}_busy") for which in ("server", "client")]
        rows.append([*cells, *("–" if value is None else f"{value:.2f}" for value in busy)])
    heads = ["side", "reads/s", "÷ by hand", "÷ by hand, a processor second", "server busy", "client busy"]
    return table(heads, rows)


def large(sides: Comparison) -> str:
    """Poll and sweep in an empty and a large ledger."""
    empty, full = sides
    rows = []
    for key, what in COSTS.items():
        faster = ratio(sides, empty, full, key)
        rows.append([what, figure(sides, empty, key, short), figure(sides, full, key, short), times(faster)])
    return table(["µs", empty, full, "speed of the large one ÷ the empty one"], rows)


COSTS = {
    "get_open_us": "poll of an open task (`ledger.get`)",
    "get_newest_us": "poll of one of the newest 1,000 settled tasks",
    "get_any_us": "poll of any settled task, at random",
    "sweep_us": "sweep with nothing due (`ledger.expire`)",
}


def resting(memory: Comparison, imports: Comparison) -> str:
    """Memory, processor time at rest, import time."""
    rows = [
        [name, figure(memory, name, "rss_mib", short), figure(memory, name, "cpu_ms_per_s", short)]
        for name in (at_rest.BARE, at_rest.OURS)
    ]
    first = table(["process at rest", "resident MiB", "processor ms in a second"], rows)
    second = table(["imports", "ms"], [[name, figure(imports, name, "ms", short)] for name in at_rest.MODULES])
    return f"{first}\n\n{second}"


__all__ = ["COSTS", "OURS", "OURS_HTTP", "OURS_LONG_POLL", "in_process", "large", "over_http", "polled", "resting"]
