"""TrafficLens in a real browser keeps its promise: every row ends, and the site is asked no more than it may be."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.lens import PYTHON_PATH, Lens, Site, all_ended, lens_and_site, look_up, rows
from tests.browser.served import BUSY, GRACE, Process, until
from tests.ports import free_port
from trafficlens.site.figures import read_sites

KINDS = ["slow", "busy", "broken", "redesigned", "hungry", "empty", "half"] * 2 + ["hangs"]
WELL_AFTER_ALL = {"slow", "empty"}
WORDS = {
    "hangs": "The site took too long to answer.",
    "busy": "The site is busy, and said when to come back.",
    "broken": "The site answered 500 Internal Server Error.",
    "redesigned": "The page has changed its layout: the figures are not where they were.",
    "hungry": "The page is too much: reading it took more memory than it may.",
    "half": "The site’s answer broke off in the middle.",
    "empty": "The site has no data for this domain.",
}

# What each answer promised of each row, and when each row was seen to have ended, by the page's own clock.
RECORDER = """
window.promised = {};
window.ended = {};
const { fetch } = window;
window.fetch = async (...what) => {
  const answer = await fetch(...what);
  if (answer.ok && String(what[0]).endsWith("latest/traffic"))
    for (const item of (await answer.clone().json()).items)
      if (!item.settled) (promised[item.key] ??= []).push(performance.now() / 1000 + item.settles_in);
  return answer;
};
setInterval(() => {
  for (const row of document.querySelectorAll("tr.row:not([data-state=waiting])"))
    ended[row.dataset.key] ??= performance.now() / 1000;
}, 50);
"""


def two_hundred() -> list[str]:
    """Well-known domains, and after each two one that misbehaves."""
    known, bad = iter(read_sites()), (f"n{i}.{KINDS[i % len(KINDS)]}.test" for i in range(200))
    return [next(bad) if i % 3 == 2 else next(known) for i in range(200)]


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.usefixtures("long")
@pytest.mark.timeout(900)
def test_of_200_domains_every_row_ends_though_a_third_misbehaves_and_the_server_is_killed_twice(
    page: Page, tmp_path: Path
) -> None:
    at_once, domains = 8, two_hundred()
    settings = {"timeout": 20, "start_timeout": 300, "retry_after": 600, "at_once": at_once}
    with lens_and_site(tmp_path, "--slow", "1", **settings) as (lens, site):
        page.set_default_timeout(120_000)  # a browser that has to share its processors draws late
        page.add_init_script(RECORDER)
        page.goto(lens.page())
        look_up(page, "\n".join(domains))
        for share in (0.15, 0.5):
            enough = share * len(domains)
            until(lambda enough=enough: len(ended(page)) >= enough, 300, f"{enough:g} rows have ended")
            lens.kill()
            lens.start()
        all_ended(page, 400)
        assert page.locator(".dots").count() == 0, "no row looks as if something were to come"
        assert [row["key"] for row in rows(page)] == domains, "in the order given"
        check_promises(page, domains)
        check_endings(page, 2 * at_once)
        check_ledger(lens, domains)
        assert {domain: len(times) for domain, times in site.asked().items() if len(times) > 1} == {}


def ended(page: Page) -> dict[str, float]:
    return dict(page.evaluate("ended"))


def check_promises(page: Page, domains: list[str]) -> None:
    promised, when = page.evaluate("promised"), ended(page)
    late = {key: (when[key], min(promised[key])) for key in domains if key in promised}
    assert len(late) > 150, "what was promised has been seen"
    assert {key: pair for key, pair in late.items() if pair[0] > pair[1] + GRACE + BUSY} == {}


def check_endings(page: Page, most_lost: int) -> None:
    """Each row says what its domain deserves, but for those that were being read when the server was killed."""
    lost = 0
    for row in rows(page):
        kind = row["key"].split(".")[-2] if row["key"].endswith(".test") else "good"
        well = kind == "good" or kind in WELL_AFTER_ALL
        if row["told"] == "Reading the page was cut off: the process that read it ended.":
            lost += 1
        elif kind in WORDS:
            assert (row["state"], row["told"]) == ("ready" if well else "failed", WORDS[kind]), row
        else:
            assert row["state"] == "ready", row
            assert row["visits"], row
    assert lost <= most_lost


def check_ledger(lens: Lens, domains: list[str]) -> None:
    with contextlib.closing(sqlite3.connect(lens.ledger, timeout=30)) as database:
        still_open = "SELECT id, status FROM task_results WHERE status IN ('pending', 'running')"
        assert database.execute(still_open).fetchall() == []
        told = database.execute("SELECT count(*), count(visits), count(last_error) FROM traffic_latest").fetchone()
    assert told[0] == len(domains)
    assert told[1] > 100
    assert told[2] > 40


# -- how often the site is asked

FULL = os.environ.get("SETTLED_FIVE_MINUTES", "") not in ("", "0")
POLLS, INTERVAL, LASTING, RETRY_AFTER, COUNT = (31, 2.0, 300.0, 60.0, 12) if FULL else (31, 0.1, 10.0, 4.0, 4)

# A page that asks as badly as it can: every poll asks for a refresh, for as long as it lasts.
ASK_ON = """async ([keys, interval, lasting]) => {
  for (const end = performance.now() + lasting * 1000; performance.now() < end; ) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ keys, refresh: "auto" });
    const answer = await fetch("latest/traffic", { method: "POST", headers, body });
    if (!answer.ok) throw new Error(await answer.text());
    await new Promise((go) => setTimeout(go, interval * 1000));
  }
}"""


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@pytest.mark.timeout(700)
def test_failing_domains_are_asked_for_as_often_as_retry_after_allows_where_the_original_asks_31_times(
    browser: Browser, page: Page, tmp_path: Path
) -> None:
    with lens_and_site(tmp_path, retry_after=RETRY_AFTER, timeout=20) as (lens, site):
        theirs = [f"theirs{i}.broken.test" for i in range(COUNT)]
        assert asked_by_the_original(browser, site, tmp_path, theirs) == dict.fromkeys(theirs, POLLS)

        ours = [f"ours{i}.broken.test" for i in range(COUNT)]
        page.goto(lens.page(*ours))
        all_ended(page, 60)
        page.evaluate(ASK_ON, [ours, INTERVAL, LASTING / 2])
        page.reload()  # another page of the same kind, in the middle
        page.evaluate(ASK_ON, [ours, INTERVAL, LASTING / 2])
        all_ended(page, 60)
        asked = {domain: times for domain, times in site.asked().items() if domain in ours}
        assert set(asked) == set(ours)
        for times in asked.values():
            gaps = [later - earlier for earlier, later in pairwise(times)]
            assert len(gaps) >= 1, "it was tried again when it might be"
            allowed = [RETRY_AFTER * 2**failures for failures in range(len(gaps))]
            assert all(gap >= least for gap, least in zip(gaps, allowed, strict=True)), (gaps, allowed)
        for row in rows(page):
            assert (row["state"], row["told"]) == ("failed", WORDS["broken"])


def asked_by_the_original(browser: Browser, site: Site, folder: Path, domains: list[str]) -> dict[str, int]:
    """One page of the original, until it gives up; return how often the site was asked for each domain."""
    port = free_port()
    place = folder / "original"
    place.mkdir()
    database = str(place / "original.db")
    environment = {"ORIGINAL_DATABASE": database, "TRAFFIC_SOURCE": site.url, "PYTHONPATH": PYTHON_PATH}
    command = [sys.executable, "-m", "uvicorn", "tests.browser.original:app", "--port", str(port), "--no-access-log"]
    original = Process(command, port, place, environment)
    context = browser.new_context()
    try:
        tab = context.new_page()
        tab.goto(original.url)
        tab.evaluate("([domains, polls, interval]) => look(domains, polls, interval)", [domains, POLLS, INTERVAL])
        expect(tab.locator("#status")).to_have_text("timed out")
        expect(tab.locator("li")).to_have_text([f"{domain}: Pending" for domain in domains])

        def counted() -> dict[str, int] | None:
            asked: dict[str, Any] = {domain: len(times) for domain, times in site.asked().items() if domain in domains}
            return asked if sum(asked.values()) >= POLLS * len(domains) else None

        return dict(until(counted, 60, "the last of its threads has asked"))
    finally:
        context.close()
        original.close()
