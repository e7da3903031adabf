"""What so many lifecycles of settled leave behind in the table: its size, its dead rows, what autovacuum did.

``storage`` is an ``ALTER TABLE … SET (…)`` that is tried on the store's table before; empty for the store's own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time

import psycopg

from bench.speed.sides.in_flight import asked
from bench.speed.sides.work import nothing
from settled import Tasks

IN_FLIGHT = 1_000
SETTLED_WITHIN = 5.0
"""Seconds for the statistics of the last rows to arrive."""
STATISTICS = """SELECT n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count FROM pg_stat_user_tables
                WHERE relid = 'bench.task_results'::regclass"""
SIZES = "SELECT pg_table_size('bench.task_results'), pg_indexes_size('bench.task_results')"
MIB = 2**20


async def main() -> dict[str, float]:
    wish = asked()
    tasks = Tasks(f"{wish['url']}?schema=bench", concurrency=IN_FLIGHT)
    function = tasks.task(timeout=60)(nothing)
    numbers = iter(range(wish["lifecycles"]))

    async def visitor() -> None:
        for number in numbers:
            (await (await function.asubmit(number))).unwrap()

    async with tasks.lifespan(None):
        if wish["storage"]:
            with psycopg.connect(wish["url"]) as db:
                db.execute(f"ALTER TABLE bench.task_results SET ({wish['storage']})")
        start = time.perf_counter()
        await asyncio.gather(*(visitor() for _ in range(IN_FLIGHT)))
        took = time.perf_counter() - start
    return {"per_second": wish["lifecycles"] / took, **left_behind(wish["url"], wish["lifecycles"])}


def left_behind(url: str, lifecycles: int) -> dict[str, float]:
    """Sizes now, and after everything was written anew without a gap; and the share of updates within a page."""
    with psycopg.connect(url, autocommit=True) as db:
        end = time.monotonic() + SETTLED_WITHIN
        for look in itertools.count():
            updated, hot, dead, vacuums = db.execute(STATISTICS).fetchone() or (0, 0, 0, 0)
            if updated >= lifecycles or time.monotonic() > end:
                break
            time.sleep(min(0.5, 0.05 * (look + 1)))
        table, indexes = db.execute(SIZES).fetchone() or (0, 0)
        db.execute("VACUUM FULL bench.task_results")
        least, least_indexes = db.execute(SIZES).fetchone() or (1, 1)
    return {
        "table_mib": table / MIB, "table_least_mib": least / MIB, "index_mib": indexes / MIB,
        "index_least_mib": least_indexes / MIB, "times": (table + indexes) / (least + least_indexes),
        "dead": dead, "hot_share": hot / max(1, updated), "vacuums": vacuums,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
