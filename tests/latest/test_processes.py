"""Several real processes hammer one key, and are killed with real signals, most of all while they refresh it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from settled import Tasks
from tests.crash.processes import STARTS_WITHIN, Process, until
from tests.latest.hammer import CAP, FRESH, KEY, RETRY
from tests.postgres import ground
from tests.stores.worlds import SQLiteWorld

PROCESSES = 3
KILLS = 4
SETTLES_WITHIN = 10 + 10 + 30.0
"""Seconds after which a refresh of the hammered key has settled, by its policy."""


class Witness:
    """Looks at the key's row as plain SQL tells it, and notes what must not be seen."""

    def __init__(self, sql: Callable[[str], list[tuple[object, ...]]]) -> None:
        self._sql = sql
        self._before: tuple[object, ...] = (None, None, None)
        self.values = 0

    def look(self) -> None:
        rows = self._sql("SELECT value, got_at, last_error FROM task_latest")
        if not rows:
            return
        value, got_at, error = rows[0]
        was, was_got_at, was_error = self._before
        assert value is not None or was is None, "the last good value was lost"
        assert was_got_at is None or int(str(got_at)) >= int(str(was_got_at))
        assert was_error is None or error is not None or got_at != was_got_at, "an error was cleared by no success"
        self.values += got_at != was_got_at
        self._before = rows[0]


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_one_key_hammered_by_processes_that_are_killed_is_refreshed_by_one_at_a_time(kind: str, tmp_path: Path) -> None:
    if kind == "sqlite":
        world = SQLiteWorld(tmp_path)
        url, sql = world.url, world.sql
    else:
        taken = ground.Ground()  # with the clock that it was born with
        url, sql = taken.url, taken.sql
    log, held = tmp_path / "upstream.log", tmp_path / "held"
    held.mkdir()
    environment = {"TESTED_LEDGER": url, "TESTED_LOG": str(log), "TESTED_HELD": str(held)}

    def start() -> Process:
        return Process([sys.executable, "-m", "tests.latest.hammer"], environment, tmp_path / "stderr.log")

    processes = [start() for _ in range(PROCESSES)]
    witness = Witness(sql)
    try:
        for process in processes:
            assert process.heard(STARTS_WITHIN).startswith(b"ready")
        for number in range(KILLS):
            hold = held / str(number)
            hold.touch()
            busy = int(until(lambda hold=hold: [witness.look(), hold.read_text()][1], 30, "somebody refreshes the key"))
            victim = next(p for p in processes if (p.pid == busy) == (number != 1))  # once one that only waits
            victim.kill()
            victim.close()
            hold.unlink()
            processes.remove(victim)
            processes.append(start())
        for process in processes[-2:]:
            process.heard(STARTS_WITHIN)
        seen = len(asked(log))
        until(lambda: [witness.look(), len(asked(log)) >= seen + 6][1], 60, "the others go on")
        assert all(process.alive for process in processes), (tmp_path / "stderr.log").read_text()
    finally:
        for process in processes:
            process.close()
    last_word(url)
    rows = sql(
        "SELECT created_at, finished_at, status, reason, attempt FROM task_results WHERE latest IS NOT NULL "
        "ORDER BY created_at"
    )
    check(rows)
    assert sum(row[4] for row in rows) == len(asked(log))
    assert sum(row[3] == "worker_lost" for row in rows) >= KILLS - 1  # and the last, if it was under way
    assert witness.values >= 1
    if kind == "postgres":
        taken.remove()


def asked(log: Path) -> list[tuple[int, int]]:
    """Who asked the upstream, and when."""
    if not log.exists():
        return []
    lines = log.read_text().splitlines()
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


def last_word(url: str) -> None:
    """With everybody dead, whoever looks next settles what was under way."""
    tasks = Tasks(url, embedded=False)

    @tasks.latest(name="traffic", fresh_for=FRESH, retry_after=RETRY, retry_cap=CAP)
    def traffic(key: str) -> int:
        raise AssertionError

    try:
        until(lambda: not traffic.sync.get(KEY, refresh="never").refreshing, SETTLES_WITHIN, "the last refresh settles")
        assert traffic.sync.get(KEY, refresh="never").found
    finally:
        tasks.stop()


def check(rows: list[tuple[object, ...]]) -> None:
    """No two were open at once, and none began before its time."""
    failures, allowed = 0, 0.0
    for created, finished, status, _, _ in rows:
        at = int(str(created))
        assert at >= allowed, f"a refresh began {allowed - at:g} ms too soon"
        failures = 0 if status == "completed" else failures + 1
        pause = FRESH if status == "completed" else min(RETRY * 2 ** (failures - 1), CAP)
        allowed = int(str(finished)) + pause * 1000
    assert len(rows) > KILLS
