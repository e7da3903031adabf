"""The kit of bench/waiters can tell a client that hangs from one that does not; a handful of its cells, for real."""

from __future__ import annotations

import asyncio

import pytest

from bench.waiters.browser import browser
from bench.waiters.cell import Cell
from bench.waiters.chromium import chromium
from bench.waiters.clients import ADAPTERS, PYTHON, find
from bench.waiters.grade import ASKS_ON, FALSE, HUNG, TRUE, VAGUE, Outcome, graded
from bench.waiters.rows import SERVERS
from bench.waiters.run import ROWS, cells
from tests.browser.chromium import find_chromium

CLIENTS = {client.key: client for client in find()}


def run(keys: list[str], names: list[str]) -> dict[tuple[str, str], Cell]:
    """These cells in a browser; adapters without packages need no bundling."""

    async def main() -> dict[tuple[str, str], Cell]:
        async with chromium() as driven, browser(driven) as tabs:
            rows = [found for found in ROWS if found.name in names]
            return await cells(tabs, [CLIENTS[key] for key in keys], rows, ADAPTERS, tabs=8, scale=0.5)

    return asyncio.run(main())


@pytest.mark.timeout(300)  # on a busy machine it goes on more slowly
@pytest.mark.skipif(find_chromium() is None, reason="Chromium is missing: install chromium")
def test_a_client_that_hangs_is_seen_to_hang_where_ours_ends_and_tells_the_truth() -> None:
    names = ["it completes", "401", "hidden", "unmounted"]
    found = run(["settled", "set-interval"], names)
    assert {name: found["settled", name].grade.grade for name in names} == dict.fromkeys(names, TRUE)
    pattern = found["set-interval", "401"]
    assert (pattern.grade.grade, pattern.grade.end) == (HUNG, None), pattern.log
    assert pattern.grade.message.startswith("asking")
    assert found["set-interval", "it completes"].grade.grade == TRUE, "it is given what it needs"


@pytest.mark.timeout(300)
def test_our_client_in_python_ends_and_tells_the_truth_at_every_bad_server() -> None:
    found = asyncio.run(cells(None, [PYTHON], SERVERS, ADAPTERS, tabs=len(SERVERS)))
    assert len(found) == len(SERVERS)
    wrong = {name: (cell.grade, cell.log, cell.lag) for (_, name), cell in found.items() if cell.grade.grade != TRUE}
    assert not wrong


def test_a_wait_that_says_nothing_is_hung_whether_it_asks_or_not() -> None:
    asking = graded(Outcome(asked=[0.1, 5.0, 8.9], watched=9.0), "denied", 1)
    silent = graded(Outcome(asked=[0.1], watched=9.0), "denied", 1)
    assert (asking.grade, silent.grade) == (HUNG, HUNG)
    assert (asking.message, silent.message) == ("asking, 1 times in the last 2.5 s", "silent")


@pytest.mark.parametrize(
    ("end", "truth", "grade"),
    [
        ("completed", "completed", TRUE),
        ("denied", "denied", TRUE),
        ("error", "denied", VAGUE),
        ("error", "failed", VAGUE),
        ("error", "completed", FALSE),  # it gave up on a task that completed
        ("failed", "unreachable", FALSE),  # the job's failure and the watcher's are two things
        ("completed", "denied", FALSE),
    ],
)
def test_an_end_is_true_vague_or_false(end: str, truth: str, grade: str) -> None:
    assert graded(Outcome(told=[(2.0, 0, end, "")], asked=[0.1], watched=9.0), truth, 1).grade == grade


def test_an_end_is_none_where_it_is_taken_back() -> None:
    told: list[tuple[float, int, str | None, str]] = [(1.0, 0, "error", "one stumble"), (1.5, 0, None, "")]
    assert graded(Outcome(told=told, asked=[0.1], watched=9.0), "completed", 1).grade == HUNG
    told.append((2.0, 0, "completed", ""))
    assert graded(Outcome(told=told, asked=[0.1], watched=9.0), "completed", 1).grade == TRUE


def test_who_goes_to_and_fro_between_an_error_and_waiting_asks_on_whatever_the_last_moment_shows() -> None:
    told: list[tuple[float, int, str | None, str]] = [(3.0, 0, "error", ""), (3.2, 0, None, ""), (6.0, 0, "error", "")]
    assert graded(Outcome(told=told, asked=[0.1], watched=9.0), "denied", 1).grade == ASKS_ON
    told.append((6.2, 0, None, ""))
    assert graded(Outcome(told=told, asked=[0.1], watched=9.0), "denied", 1).grade == ASKS_ON


def test_who_shows_an_end_and_asks_on_is_no_better_than_that() -> None:
    outcome = Outcome(told=[(2.0, 0, "denied", "")], asked=[0.1, 3.0, 8.9], watched=9.0)
    assert graded(outcome, "denied", 1).grade == ASKS_ON
    outcome.asked = [0.1, 2.1]  # sent before the end
    assert graded(outcome, "denied", 1).grade == TRUE


def test_of_two_on_a_page_the_worse_one_counts() -> None:
    assert graded(Outcome(told=[(2.0, 0, "completed", "")], watched=9.0), "completed", 2).grade == HUNG


def test_who_was_taken_away_must_ask_no_more_and_hold_no_connection() -> None:
    assert graded(Outcome(asked=[0.1, 0.75], left=0.7, watched=4.0), "stopped", 1).grade == TRUE
    assert graded(Outcome(asked=[0.1, 1.5], left=0.7, watched=4.0), "stopped", 1).grade == HUNG
    assert graded(Outcome(asked=[0.1], left=0.7, held=1, watched=4.0), "stopped", 1).grade == HUNG
