"""How soon the dashboard is on the screen, in a small ledger and in a large one, on both stores.

    python -m bench.dashboard.run [--rows 1000000] [--rounds 7] [--dir FOLDER] [--store NAME] [--no-browser]

A real headless Chromium loads each page with an empty cache, from ``settled dashboard``'s own server in another
process. *Painted* is the browser's own first contentful paint, counted from the start of the navigation; *answered*
is when the whole page had arrived; *server* is the processor time of the dashboard's process for one load, the mean,
which other work on the machine changes little. The others are medians, with the least and the most. The two ledgers
take turns.

On a machine that others use too, what a browser says is mostly what they do; ``--no-browser`` then measures the
making of the pages alone, in this process: the least of all rounds by the wall's clock, and the mean processor time.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from playwright.sync_api import Browser, Playwright, sync_playwright

from bench.speed import filling, postgres
from bench.speed.environment import describe
from bench.speed.rounds import NotMeasured
from bench.speed.sides.postgres import filling as postgres_filling
from settled.dashboard import Access, Dashboard
from settled.ledger import Ledger
from settled.records import NewTask, Verdict
from settled.states import Reason, Status
from settled.stores.urls import store_of
from tests.browser.chromium import find_chromium
from tests.browser.served import free_port

SMALL, FAILED, OPEN = 200, 2_000, 200
PAGES = {
    "list": "/", "failed": "/?status=failed", "search, found": "/?q=page.html", "search, nowhere": "/?q=not-there",
    "failures": "/failures", "workers": "/workers",
}  # fmt: skip
TIMES = """() => {
  const [navigation] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [paint?.startTime ?? 0, navigation.responseEnd];
}"""


def fail(url: str, count: int) -> None:
    """Let so many of the newest tasks have failed, for a few reasons."""
    ledger = Ledger(store_of(url), lease=3_600)
    ledger.open()
    worker = ledger.membership.enlist([filling.NAME])
    hour, given = 3_600_000, '{"args":["https://example.org/some/page.html"],"kwargs":{}}'
    for start in range(0, count, 500):
        new = [
            NewTask(filling.NAME, given, hour, hour, 30_000, 1_000, 1, hour + 30_000, worker=worker)
            for _ in range(min(500, count - start))
        ]
        messages = [f"customer {number} of kind {'abcde'[number % 5]} was declined" for number in range(len(new))]
        rows = [row for row, _ in ledger.add_all(new)]
        ledger.settle_all(
            [
                Verdict(row.id, 1, Status.FAILED, None, Reason.EXCEPTION, message)
                for row, message in zip(rows, messages, strict=True)
            ]
        )
    ledger.membership.dismiss()
    ledger.close()


@contextmanager
def sqlite(folder: Path, rows: int) -> Iterator[str]:
    path = folder / f"rows-{rows}.db"
    filling.fill(path, rows, OPEN)
    fail(f"sqlite:///{path}", min(FAILED, rows))
    yield f"sqlite:///{path}"


@contextmanager
def on_postgres(folder: Path, rows: int) -> Iterator[str]:
    with postgres.database(postgres.find()) as database:
        url = f"{database}?schema=ledger"
        ledger = Ledger(store_of(url), lease=3_600)
        ledger.open()
        worker = ledger.membership.enlist([filling.NAME])
        postgres_filling.fill(ledger, database, "ledger", worker, rows, [(postgres_filling.NAME, OPEN)])
        ledger.membership.dismiss()
        ledger.close()
        fail(url, min(FAILED, rows))
        with psycopg.connect(database, autocommit=True) as db:
            db.execute("VACUUM (ANALYZE) ledger.task_results")
        yield url


@contextmanager
def served(url: str) -> Iterator[tuple[str, int]]:
    """``settled dashboard`` on a ledger: its address and its process."""
    port = free_port()
    command = [sys.executable, "-m", "settled.cli", "dashboard", "--ledger", url, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"http://localhost:{port}", process.pid
    finally:
        process.terminate()
        process.wait(30)


def load(browser: Browser, address: str) -> tuple[float, float]:
    """Milliseconds until the page was painted, and until it had arrived, with nothing in the cache."""
    context = browser.new_context(reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(address, wait_until="load")
        end = time.monotonic() + 10
        painted, answered = page.evaluate(TIMES)
        while not painted and time.monotonic() < end:
            page.wait_for_timeout(20)
            painted, answered = page.evaluate(TIMES)
        return painted, answered
    finally:
        context.close()


class Load(NamedTuple):
    """One load of a page, in milliseconds."""

    painted: float
    answered: float
    server: float


def processor_ms(pid: int) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000 / os.sysconf("SC_CLK_TCK")


def measure(playwright: Playwright, ledgers: dict[str, tuple[str, int]], rounds: int) -> None:
    """Print how soon a browser has the pages."""
    browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"])
    found: dict[tuple[str, str], list[Load]] = {}
    for _ in range(rounds + 1):  # the first warms up
        for name, path in PAGES.items():
            for ledger, (url, pid) in ledgers.items():
                before = processor_ms(pid)
                times = load(browser, url + path)
                found.setdefault((name, ledger), []).append(Load(*times, processor_ms(pid) - before))
    browser.close()
    few, many = ledgers
    print(f"| page | painted, {few} | painted, {many} | ratio | answered, {many} | server, {few} | server, {many} |")
    print("| --- |" + " --- |" * 6)
    for name in PAGES:
        small, large = (found[name, ledger][1:] for ledger in (few, many))
        ratio = _median(small, "painted") and _median(large, "painted") / _median(small, "painted")
        cells = [*(_spread([one.painted for one in some]) for some in (small, large)), f"{ratio:.2f} ×"]
        cells += [f"{_median(large, 'answered'):.0f} ms", *(f"{_mean(some):.0f} ms" for some in (small, large))]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _median(loads: Sequence[Load], field: str) -> float:
    return statistics.median(getattr(one, field) for one in loads)


def _mean(loads: Sequence[Load]) -> float:
    return statistics.mean(one.server for one in loads)  # it is counted in steps of ten


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} ms ({min(values):.0f}–{max(values):.0f})"


class Source:
    """A ledger, for the dashboard."""

    def __init__(self, url: str) -> None:
        self.ledger = Ledger(store_of(url), lease=3_600)
        self.ledger.open()


def measure_making(ledgers: dict[str, str], rounds: int) -> None:
    """Print how long the pages take to be made, without a browser."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    dashboards = {name: Dashboard(Source(url)) for name, url in ledgers.items()}
    for _ in range(3 * rounds + 1):
        for (page, path), (name, dashboard) in itertools.product(PAGES.items(), dashboards.items()):
            where, _, query = path.partition("?")
            scope = {"type": "http", "method": "GET", "path": where, "query_string": query.encode(), "headers": []}
            wall, used = time.perf_counter(), time.process_time()
            answer = dashboard.answer(scope, b"", Access("write", "bench"))
            spent = (time.perf_counter() - wall) * 1_000, (time.process_time() - used) * 1_000
            assert answer.status == 200, answer.body
            found.setdefault((page, name), []).append(spent)
    few, many = ledgers
    print(f"| page | made, {few} | made, {many} | processor, {few} | processor, {many} |")
    print("| --- |" + " --- |" * 4)
    for page in PAGES:
        runs = [found[page, name][1:] for name in (few, many)]
        cells = [f"{min(wall for wall, _ in run):.0f} ms" for run in runs]
        cells += [f"{statistics.mean(used for _, used in run):.0f} ms" for run in runs]
        print(f"| {page} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--store", choices=["SQLite", "PostgreSQL"], default=None)
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--dir", type=Path, default=None)
    args = parser.parse_args()
    stores = {"SQLite": sqlite, "PostgreSQL": on_postgres}
    with tempfile.TemporaryDirectory(dir=args.dir) as name, sync_playwright() as playwright:
        folder = Path(name)
        facts = describe(folder)
        print("\n".join(f"- {key}: {value}" for key, value in facts.items() if key not in ("packages", "command")))
        for store, make in stores.items():
            if args.store not in (None, store):
                continue
            print(f"\n### {store}\n")
            try:
                with make(folder, SMALL) as few, make(folder, args.rows) as many:
                    before, names = os.getloadavg()[0], (f"{SMALL} rows", f"{args.rows:,} rows")
                    if args.no_browser:
                        measure_making(dict(zip(names, (few, many), strict=True)), args.rounds)
                    else:
                        with served(few) as small, served(many) as large:
                            measure(playwright, dict(zip(names, (small, large), strict=True)), args.rounds)
                    print(f"\nLoad of the machine: {before:.0f} before, {os.getloadavg()[0]:.0f} after.")
            except NotMeasured as trouble:
                print(f"not measured: {trouble}")


if __name__ == "__main__":
    main()
