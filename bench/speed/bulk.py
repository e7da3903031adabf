"""Work in bulk: 10,000 calls in one ``submit_many``, beside the bare inserts, and a batch read page by page.

    python -m bench.speed.bulk [--tasks N] [--rounds N] [--postgres URL]

Each side of a round gets a new table or batch; the sides take turns, and a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from settled import Tasks, ledger_batches


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures submit_many, and pages of a batch.")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgres", metavar="URL", help="the same on a ledger there (a schema that may be made)")
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}; {given.tasks:,} tasks; median of {given.rounds} rounds (least – most)\n")
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", f"sqlite:///{folder}/tasks.db", given.tasks, given.rounds, Path(folder) / "raw.db")
    if given.postgres:
        measure("PostgreSQL", given.postgres, given.tasks, given.rounds, None)


def measure(title: str, url: str, number: int, rounds: int, raw: Path | None) -> None:
    tasks = Tasks(url, embedded=False)
    function = tasks.task(name="scrape")(lambda url: url)
    items = [f"https://example.org/page/{n}" for n in range(number)]
    ledger = tasks.ledger
    submitted, processor, by_hand, paged, counted = [], [], [], [], []
    for _ in range(rounds):
        if raw is not None:
            by_hand.append(timed(lambda: inserted_by_hand(raw, items)))
        before = time.process_time()
        submitted.append(timed(lambda: function.submit_many(items)))
        processor.append(time.process_time() - before)
        batch = function.submit_many(items).id
        counted.append(timed(partial(ledger_batches.get, ledger, batch)))
        paged.append(timed(partial(page_by_page, ledger, batch, number)))
    tasks.stop()
    print(f"{title}: submit_many {shown(submitted)}, of that the processor's {shown(processor)}")
    if by_hand:
        ratios = [ours / theirs for ours, theirs in zip(submitted, by_hand, strict=True)]
        print(
            f"{title}: by hand, executemany of four columns {shown(by_hand)}; submit_many is {median(ratios):.1f} × it"
        )
    print(f"{title}: counts of the batch {shown(counted)}; all of it in pages of 1,000 {shown(paged)}")


def inserted_by_hand(path: Path, items: list[str]) -> None:
    """One transaction, as durable."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, status TEXT, url TEXT, result TEXT)")
    connection.execute("BEGIN")
    rows = [(str(uuid.uuid4()), "pending", url) for url in items]
    connection.executemany("INSERT INTO results (id, status, url) VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()


def page_by_page(ledger: object, batch: str, number: int) -> None:
    after, found = None, 0
    while page := ledger_batches.page(ledger, batch, after, 1_000):  # type: ignore[arg-type]
        after, found = page[-1].id, found + len(page)
    assert found == number


def timed(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def shown(seconds: list[float]) -> str:
    return f"{median(seconds):.3f} s ({min(seconds):.3f} – {max(seconds):.3f})"


if __name__ == "__main__":
    main()
