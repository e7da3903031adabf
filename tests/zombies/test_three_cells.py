"""Three cells of bench/zombies, really started and really harmed, so that pages wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.zombies.kept import written
from bench.zombies.marks import RUN
from bench.zombies.merge import merged
from bench.zombies.report.__main__ import make
from bench.zombies.table import SYSTEMS

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="marks are found in /proc"),
    pytest.mark.xdist_group("zombies"),  # one run for all
    pytest.mark.slow,
    pytest.mark.timeout(300),  # two instances start, harm and wait; others use the processors too
    pytest.mark.crash,
]


def command(into: Path, systems: str, faults: str, patience: float = 8) -> list[str]:
    return [
        sys.executable, "-m", "bench.zombies.run", "--systems", systems, "--faults", faults, "--at-once", "3",
        "--patience", str(patience), "--json", str(into),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the zombie gives up early; that of settled waits its minute, which only a busy machine needs."""
    folder = tmp_path_factory.mktemp("zombies")
    parts = {system: folder / f"{system}.json" for system in ("by-hand", "settled")}
    environment = {**os.environ, "ZOMBIES_HERE": "1"}
    runs = [
        subprocess.Popen(
            command(into, system, "exception,worker-killed", 8 if system == "by-hand" else 60), cwd=ROOT,
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for system, into in parts.items()
    ]  # fmt: skip
    try:
        assert [run.wait(280) for run in runs] == [0, 0]
    finally:
        for run in runs:
            run.kill()
            run.wait(10)
    whole = folder / "zombies.json"
    whole.write_text(written(merged([json.loads(part.read_text("utf-8")) for part in parts.values()])), "utf-8")
    return whole


def cell(results: Path, system: str, fault: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(results.read_text("utf-8"))["cells"][system][fault]
    return found


def test_the_pattern_by_hand_is_a_zombie_when_its_worker_is_killed(results: Path) -> None:
    found = cell(results, "by-hand", "worker-killed")
    assert found["grade"] == "zombie", found
    assert found["executions"] == 1
    assert [note.split()[-1] for note in found["notes"]] == ["begin"]
    assert "web is started" in found["log"]


def test_settled_says_why_when_its_worker_is_killed(results: Path) -> None:
    found = cell(results, "settled", "worker-killed")
    assert (found["grade"], found["status"], found["flipped_to"]) == ("settled", "failed", ""), found
    assert "worker_lost" in found["reason"]


@pytest.mark.parametrize("system", ["by-hand", "settled"])
def test_an_ordinary_exception_settles_in_both(results: Path, system: str) -> None:
    found = cell(results, system, "exception")
    assert (found["grade"], found["status"]) == ("settled", "failed"), found
    assert "printer" in found["reason"]


def test_the_reports_are_made_from_the_results_alone(results: Path, tmp_path: Path) -> None:
    make(results, tmp_path)
    page = (tmp_path / "zombies.html").read_text("utf-8")
    assert 'data-cell="by-hand.worker-killed"' in page
    assert "1 zombie in 2 cells" in (tmp_path / "zombies.svg").read_text("utf-8")
    assert SYSTEMS["by-hand"].settings in (tmp_path / "zombies.md").read_text("utf-8")


def test_nothing_outlives_a_harness_that_is_killed(tmp_path: Path) -> None:
    into = tmp_path / "zombies.json"
    mine = {**os.environ, "ZOMBIES_HERE": "1", "ZOMBIES_TEST": str(tmp_path)}
    harness = subprocess.Popen(
        command(into, "by-hand", "child-left-behind", 60), cwd=ROOT, env=mine, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(
            lambda: len(started(tmp_path)) >= 4, 60
        )  # harness, undertaker, web app, and the child that the task leaves
    finally:
        harness.send_signal(signal.SIGKILL)
        harness.wait(10)
    until(lambda: not started(tmp_path), 60)
    assert RUN not in os.environ


def started(mark: Path) -> list[int]:
    """What bears this test's mark and has not ended."""
    from bench.zombies.marks import marked

    return marked("ZOMBIES_TEST", str(mark))


def until(holds: Any, within: float) -> None:
    end, over = time.monotonic() + within, False
    while not holds():
        assert not over  # it looks once more after the end: this process may have stood still
        time.sleep(0.1)
        over = time.monotonic() >= end
