"""What this server can do at most: the two statements by hand for many rows at once, each batch its own commit.

Nobody submits, runs or waits. Two connections, so that one is written for while the other's commit is under way.
"""

from __future__ import annotations

import json
import threading
import time
import uuid

import psycopg

from bench.speed.sides.in_flight import asked
from bench.speed.sides.postgres import pattern

CONNECTIONS = 2


def main() -> dict[str, float]:
    wish = asked()
    with psycopg.connect(wish["url"]) as db:
        db.execute(pattern.TABLE)
    start = time.perf_counter() + wish["warm"]
    done: list[int] = []
    writers = [
        threading.Thread(target=_write, args=(wish["url"], wish["rows"], start, start + wish["seconds"], done))
        for _ in range(CONNECTIONS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return {"per_second": sum(done) / wish["seconds"]}


def _write(url: str, rows: int, start: float, end: float, done: list[int]) -> None:
    results = [pattern.TEXT] * rows
    count = 0
    with psycopg.connect(url, autocommit=True) as db:
        while (now := time.perf_counter()) < end:
            ids = [str(uuid.uuid4()) for _ in range(rows)]
            db.execute(pattern.INSERT_MANY, (ids,))
            db.execute(pattern.UPDATE_MANY, (ids, results))
            if now >= start:
                count += rows
    done.append(count)


if __name__ == "__main__":
    print(json.dumps(main()))
