"""What submit, poll, claim and sweep cost in two ledgers of one database, by turns; and what a sweep of nothing reads.

The tables differ in their settled rows alone. Each ledger has connections of its own, and takes its turn every few
milliseconds, since a shared machine is now fast, now slow.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import psycopg

from bench.speed.sides.in_flight import asked
from bench.speed.sides.ledger_cost import in_turn
from bench.speed.sides.postgres import filling
from settled.ledger import Ledger
from settled.stores import queries
from settled.stores.urls import store_of

OPEN, CLAIMABLE = 100, 20_000
CLAIMED = "bench.claimed"
PAGES = ("Shared Hit Blocks", "Shared Read Blocks")


def main() -> dict[str, dict[str, list[float]]]:
    wish = asked()
    calls, ledgers = {}, []
    found: dict[str, dict[str, list[float]]] = {}
    for number, (name, rows) in enumerate(wish["ledgers"].items()):
        schema = f"ledger{number}"
        ledger = Ledger(store_of(f"{wish['url']}?schema={schema}"), lease=3_600)
        ledger.open()
        ledgers.append(ledger)
        worker = ledger.membership.enlist([CLAIMED])
        start = time.perf_counter()
        filling.fill(ledger, wish["url"], schema, worker, rows, [(filling.NAME, OPEN), (CLAIMED, CLAIMABLE)])
        found[name] = {"filled_s": [time.perf_counter() - start]}
        found[name] |= {key: [float(value)] for key, value in sweeps_of_nothing(wish["url"], schema).items()}
        calls[name] = _calls(ledger, wish["url"], schema, worker)
    for _ in range(wish["rounds"]):
        for key in dict.fromkeys(key for some in calls.values() for key in some):
            chosen = {name: some[key] for name, some in calls.items() if key in some}
            for name, seconds in in_turn(chosen, wish["seconds"] / wish["rounds"]).items():
                found[name].setdefault(key, []).append(seconds * 1e6)
    for ledger in ledgers:
        ledger.close()
    return found


def _calls(ledger: Ledger, url: str, schema: str, worker: str) -> dict[str, Callable[[], object]]:
    polled = {
        "get_open_us": filling.ids_of(url, schema, "pending", OPEN),
        "get_newest_us": filling.ids_of(url, schema, "completed", 1_000),
        "get_any_us": filling.ids_of(url, schema, "completed", 1_000, newest=False),
    }

    def claim() -> object:
        claimed = ledger.claim(worker, [CLAIMED], 1)
        assert claimed, "nothing is left to claim"
        return claimed

    found: dict[str, Callable[[], object]] = {key: _getter(ledger, ids) for key, ids in polled.items() if ids}
    return {**found, "sweep_us": ledger.expire, "submit_us": lambda: ledger.add(filling.new()), "claim_us": claim}


def _getter(ledger: Ledger, ids: list[str]) -> Callable[[], object]:
    turn = itertools.cycle(ids)
    return lambda: ledger.get(next(turn))


def sweeps_of_nothing(url: str, schema: str) -> dict[str, int]:
    """Pages that the sweep's statement touches when nothing is overdue; raises unless it is one probe of its index."""
    statement = queries.load("postgres")["overdue"].replace("{schema}", schema)
    with psycopg.connect(url) as db:
        row = db.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", {"limit": 500}).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    scan = plan
    while below := [part for part in scan.get("Plans", ()) if part["Parent Relationship"] != "InitPlan"]:
        assert len(below) == 1, f"a sweep reads more than one thing: {plan}"
        scan = below[0]
    assert scan.get("Index Name") == "task_results_open", f"a sweep does not go by its index: {plan}"
    assert (scan["Actual Rows"], scan["Actual Loops"]) == (0, 1), f"a sweep of nothing found something: {plan}"
    return {"sweep_pages": sum(scan[key] for key in PAGES)}


if __name__ == "__main__":
    print(json.dumps(main()))
