"""Limits hold over real processes, and a worker that is killed frees what it held."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from settled import Limit, Tasks
from tests.crash.processes import Process, until
from tests.stores.worlds import PostgresWorld

pytestmark = pytest.mark.crash
HOSTS, PAGES, PLACES = ("a.example", "b.example"), 30, 2
WITHIN = 90.0


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/tasks.db"
        return
    world = PostgresWorld()
    yield world.nowhere
    world.close()


def lines(log: Path) -> list[tuple[str, str, int, float]]:
    text = log.read_text("ascii") if log.exists() else ""
    return [(what, host, int(pid), float(at)) for what, host, pid, at in map(str.split, text.splitlines())]


def test_two_at_a_time_for_each_host_over_three_workers_one_of_which_is_killed(url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    tasks = Tasks(url, embedded=False, lease=5.0)

    @tasks.task(name="visit", timeout=30, attempts=3, backoff=0.05, limit=Limit(PLACES, key=lambda host, page: host))
    def visit(host: str, page: int) -> int:
        """Submitted here, run by ``limited.py`` in the workers."""
        raise AssertionError

    command = [sys.executable, "-m", "settled.cli", "worker", "tests.crash.limited:tasks"]
    environment = {"LIMITED_LEDGER": url, "LIMITED_LOG": str(log)}
    workers = [Process(command, environment, tmp_path / f"worker{n}.log") for n in range(3)]
    try:
        until(lambda: sum("visit" in worker.names for worker in tasks.ledger.workers()) == 3, WITHIN, "all three live")
        batch = visit.submit_many([(host, page) for page in range(PAGES) for host in HOSTS])
        victim = until(lambda: at_work(workers, log), WITHIN, "one is at work")  # two of them can keep all places
        killed = victim.kill()
        ending = batch.wait(WITHIN)
        results = {task.snapshot.result for task in batch.tasks}
    finally:
        for worker in workers:
            worker.close()
        tasks.stop()
    assert ending.completed, ending
    seen = lines(log)
    for host in HOSTS:
        assert most_at_once(seen, host, victim.pid, killed) <= PLACES
    assert results == set(range(PAGES))


def at_work(workers: Sequence[Process], log: Path) -> Process | None:
    return next((worker for worker in workers if holds(lines(log), worker.pid)), None)


def holds(seen: list[tuple[str, str, int, float]], pid: int) -> bool:
    began = sum(what == "begin" and who == pid for what, _, who, _ in seen)
    return began > sum(what == "end" and who == pid for what, _, who, _ in seen)


def most_at_once(seen: list[tuple[str, str, int, float]], host: str, victim: int, killed: float) -> int:
    """How many ran at once at most; what the victim had not ended ran until it was killed."""
    steps = [(at, 1 if what == "begin" else -1) for what, where, _, at in seen if where == host]
    left = sum(1 if what == "begin" else -1 for what, where, pid, _ in seen if where == host and pid == victim)
    steps += [(killed, -1)] * left
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most
