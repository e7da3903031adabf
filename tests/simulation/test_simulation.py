"""The contract in a make-believe world: whatever goes wrong, in any order; and that a known bug does not pass.

A few schedules are run here; ``make test-simulation`` runs 100,000, or as many as two minutes hold.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.each_step import PLAINS
from tests.simulation.shrink import rule_of

PARTS, EACH = 2, 1_000
"""Schedules, in processes of their own: the names by which settled reaches the machine are bound anew there."""
WITHIN = 3_000
"""Schedules in which each planted bug is caught."""


Run = subprocess.CompletedProcess[str]


def simulated(*arguments: object, module: str = "tests.simulation", **environment: str) -> Run:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)],
        capture_output=True, text=True, timeout=110, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def found(*arguments: object, **environment: str) -> dict[str, Any]:
    run = simulated("--json", *arguments, **environment)
    assert run.stdout, run.stderr
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_goes_wrong_the_contract_holds(part: int) -> None:
    run = simulated("--seed", part * EACH, "--schedules", EACH)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("plain", range(len(PLAINS)))
def test_one_thing_may_go_wrong_at_any_step(plain: int) -> None:
    run = simulated(plain, module="tests.simulation.each_step")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("bug", BUGS)
def test_a_known_bug_of_other_systems_is_caught(bug: str) -> None:
    answer = found("--bug", bug, "--schedules", WITHIN)
    assert answer["broken"], f"not caught in {answer['counts']['schedules']} schedules"
    assert {rule_of(broken) for broken in answer["broken"][0][1]} & set(BUGS[bug].breaks)


def test_a_seed_is_a_run() -> None:
    first, second = (found("--schedules", 150, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first["digest"] == second["digest"]
    assert first["counts"] == second["counts"]


def test_what_has_no_time_left_is_not_begun_and_it_says_so() -> None:
    run = simulated("--schedules", 1_000_000, "--within", 0.1)
    assert run.returncode == 0, run.stderr
    assert "That is what 0.1 s held of 1,000,000" in run.stdout


def test_a_failure_shrinks_to_what_it_needs() -> None:
    run = simulated("--bug", "an outage counted as silence", "--schedules", WITHIN)
    assert run.returncode == 1
    shown = run.stdout.partition("It shrinks to:")[2]
    assert "BROKEN: a living worker was declared lost" in shown
    assert shown.count("seconds=") <= 3  # one work, and the one fault that it takes
