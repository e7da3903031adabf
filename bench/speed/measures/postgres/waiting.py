"""Connections and queries of one process while pages wait in it by long poll: none, a thousand, five thousand."""

from __future__ import annotations

import resource
import threading
import time

import psycopg

from bench.speed import http_load, postgres, server
from bench.speed.measures.plan import Plan
from bench.speed.rounds import Comparison, Figures, NotMeasured, spread
from bench.speed.sides.postgres.waiting_app import make_tasks

PAGES = (0, 1_000, 5_000)
SETTLING, SETTLING_OF_EACH = 3.0, 0.002
"""Seconds until all pages wait: so many, and so many more for each."""
WAIT = 60
COUNT = """SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                   AND backend_type = 'client backend'),
                  (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database())"""


def pages(plan: Plan) -> Comparison:
    """By how many wait: connections of the process, its transactions a second. Each page waits for another task."""
    place = postgres.find()
    _allow_files(2 * max(PAGES) + 500)
    found: Comparison = {}
    for number in PAGES if not plan.quick else PAGES[:2]:
        try:
            found[f"{number:,} pages"] = {key: spread([value]) for key, value in _wait(place, plan, number).items()}
        except (NotMeasured, OSError) as trouble:
            found[f"{number:,} pages"] = f"not measured: {trouble}"
    return found


def _wait(place: postgres.Server, plan: Plan, number: int) -> Figures:
    with postgres.database(place) as url:
        ids = make_tasks(url, max(1, number))
        first = http_load.request("GET", f"/tasks/{ids[0]}")
        with server.serving("postgres.waiting_app", plan.folder, first, {"BENCH_URL": url}) as running:
            watched: Figures = {}
            window = 4.0 if plan.quick else 8.0
            watcher = threading.Thread(target=_watch, args=(url, number, window, watched))
            watcher.start()
            if number:
                visitors = [_page(id_) for id_ in ids]
                http_load.drive(running.address, visitors, _settling(number) + window + 1)
            watcher.join(_settling(number) + window + 30)
    return watched


def _settling(number: int) -> float:
    """Seconds until so many pages wait."""
    return SETTLING + SETTLING_OF_EACH * number


def _watch(url: str, number: int, window: float, found: Figures) -> None:
    """Count over a window; a session reports what it did with a delay of up to a second, at either end."""
    time.sleep(_settling(number))
    with psycopg.connect(url, autocommit=True) as db:
        start, (connections, before) = time.monotonic(), db.execute(COUNT).fetchone() or (0, 0)
        time.sleep(window)
        after = (db.execute(COUNT).fetchone() or (0, 0))[1]
        seconds = time.monotonic() - start
    found.update(connections=connections, per_second=(after - before) / seconds)


def _page(task_id: str) -> http_load.Visitor:
    poll = http_load.request("GET", f"/tasks/{task_id}", f"Prefer: wait={WAIT}")
    while True:
        answer = yield poll
        if answer is None or answer[0] != 200:
            raise NotMeasured(f"a page was answered {answer}")


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))
