"""Refreshes that really run: in every isolation, with limits and several in one call, and by an engine elsewhere."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from settled import BadTaskFunction, Limit, Tasks, TryLater
from settled.states import Reason
from tests.crash.processes import ROOT
from tests.latest import functions

WAIT = 60


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Tasks]:
    made = Tasks(f"sqlite:///{tmp_path / 'tasks.db'}", drain=0)
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("function", "isolation"),
    [(functions.on_loop, "coroutine"), (functions.in_process, "thread"), (functions.in_process, "process")],
)
def test_a_refresh_runs_in_every_isolation_and_hands_on_a_retry_after(
    tasks: Tasks, function: Any, isolation: str
) -> None:
    latest = tasks.latest(fresh_for=60, retry_after=1, isolation=isolation)(function)
    assert latest.sync.get("a", wait=WAIT).value == {"key": "a", "attempt": 1}
    later = latest.sync.get("later", wait=WAIT)
    assert later.last_error is not None
    assert (later.last_error.message, later.last_error.type) == ("The upstream answered 429.", "TryLater")
    assert 60 < later.retry_in <= 90


def test_no_further_attempt_begins_before_the_upstream_allows_it(tasks: Tasks) -> None:
    began: list[float] = []

    @tasks.task(attempts=3, backoff=0.0)
    async def fetch() -> str:
        began.append(asyncio.get_running_loop().time())
        if len(began) == 1:
            raise TryLater(0.7)
        if len(began) == 2:
            raise TryLater(timedelta(days=30), "Come back next month.")
        return "never"

    ending = fetch.submit().wait(WAIT)
    assert began[1] - began[0] >= 0.7
    assert (ending.reason, ending.message) == (Reason.EXCEPTION, "Come back next month.")
    assert len(began) == 2  # a month is beyond its bound, so it ends now


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        (1.5, 1.5), ("120", 120.0), (" 7 ", 7.0), (timedelta(minutes=1), 60.0), (-3, 0.0), ("soon", 0.0), (None, 0.0),
        (float("nan"), 0.0), (float("inf"), 0.0), (1e12, 366 * 86_400.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_a_retry_after_is_read_as_it_comes(after: Any, seconds: float) -> None:
    assert TryLater(after).seconds == seconds


def test_a_retry_after_may_be_a_date() -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    assert 3_500 < TryLater(moment.strftime("%a, %d %b %Y %H:%M:%S GMT")).seconds <= 3_600


def test_calling_it_calls_the_function(tasks: Tasks) -> None:
    latest = tasks.latest(fresh_for=60)(functions.in_process)
    assert latest.__name__ == "in_process"
    assert tasks.latest_of("in_process") is latest
    with pytest.raises(BadTaskFunction, match="one argument"):

        @tasks.latest(fresh_for=60)
        def two(key: str, other: str) -> None: ...

    assert list(tasks.functions) == ["in_process"]


def test_a_limit_bounds_refreshes_too(tasks: Tasks) -> None:
    running, most = 0, 0

    @tasks.latest(fresh_for=60, limit=Limit(concurrency=2))
    async def traffic(key: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return key

    found = traffic.sync.get_many([str(number) for number in range(8)], wait=WAIT)
    assert [latest.value for latest in found] == [str(number) for number in range(8)]
    assert most <= 2


def test_several_keys_may_be_refreshed_by_one_call(tasks: Tasks) -> None:
    latest = tasks.latest(fresh_for=60, batch=10, batch_wait=0.5)(functions.many)
    found = latest.sync.get_many(["a", "broken", "b"], wait=WAIT)
    assert [each.value for each in found] == [{"key": "a", "of": 3}, None, {"key": "b", "of": 3}]
    assert found[1].last_error is not None
    assert found[1].last_error.message == "It broke."


def test_an_engine_elsewhere_carries_refreshes_as_any_task(tmp_path: Path) -> None:
    environment = os.environ | {"TESTED_LEDGER": f"sqlite:///{tmp_path / 'tasks.db'}"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.latest.elsewhere"], cwd=ROOT, env=environment, timeout=110, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "done\n", done.stderr
