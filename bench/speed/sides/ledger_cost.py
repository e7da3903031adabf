"""What a poll (``ledger.get``) and a sweep with nothing due (``ledger.expire``) cost in two ledgers.

Such a call takes microseconds, and a shared machine is now fast, now slow; so both ledgers are open
in this one process, each with a connection and a page cache of its own, and take turns every few
milliseconds.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.speed.sides.in_flight import asked
from settled.ledger import Ledger
from settled.stores.sqlite import SQLiteStore

BATCH_SECONDS = 0.005


def main() -> dict[str, dict[str, float]]:
    wish = asked()
    calls = {name: _calls(about) for name, about in wish["ledgers"].items()}
    figures: dict[str, dict[str, float]] = {name: {} for name in calls}
    for key in dict.fromkeys(key for found in calls.values() for key in found):
        chosen = {name: found[key] for name, found in calls.items() if key in found}
        for name, seconds in in_turn(chosen, wish["seconds"]).items():
            figures[name][key] = seconds * 1e6
    return figures


def _calls(about: dict[str, Any]) -> dict[str, Callable[[], object]]:
    ledger = Ledger(SQLiteStore(Path(about["path"])))
    ledger.open()
    found = {f"get_{kind}_us": _getter(ledger, ids) for kind, ids in about["ids"].items() if ids}
    return {**found, "sweep_us": ledger.expire}


def _getter(ledger: Ledger, ids: list[str]) -> Callable[[], object]:
    turn = itertools.cycle(ids)
    return lambda: ledger.get(next(turn))


def in_turn(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Seconds for each call: the median over short batches, taken by turns for so long."""
    counts = {name: _fitting(call) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    while time.perf_counter() < end:
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                call()
            times[name].append((time.perf_counter() - start) / counts[name])
    return {name: statistics.median(found) for name, found in times.items()}


def _fitting(call: Callable[[], object]) -> int:
    """How many calls fit into a batch; warms up, too."""
    end, count = time.perf_counter() + BATCH_SECONDS * 10, 0
    while time.perf_counter() < end:
        call()
        count += 1
    return max(1, count // 10)


if __name__ == "__main__":
    print(json.dumps(main()))
