"""The page of TrafficLens in a real browser: what goes in, what comes out, and what can be done with it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.lens import Lens, Site, all_ended, lens_and_site, look_up, rows, states
from tests.browser.served import ROOT

AXE = ROOT / "js/node_modules/axe-core/axe.min.js"
NARROW = 360
LONG = 60_000  # milliseconds, for what a busy machine does late


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lens, Site]]:
    with lens_and_site(tmp_path_factory.mktemp("lens"), "--slow", "1", retry_after=1, timeout=60) as both:
        yield both


@pytest.fixture(scope="module")
def lens(both: tuple[Lens, Site]) -> Lens:
    return both[0]


@pytest.fixture(scope="module")
def site(both: tuple[Lens, Site]) -> Site:
    return both[1]


def test_any_mess_becomes_rows_in_the_order_given_and_known_ones_are_there_at_once(
    lens: Lens, site: Site, page: Page
) -> None:
    page.goto(lens.page())
    look_up(page, "https://www.BBC.co.uk/news, github.com;nytimes.com\n\ngithub.com | 'empty.test' nonsense")
    expect(page.locator("#count")).to_have_text("4 domains · 1 given twice · not a domain: nonsense")
    all_ended(page, 60)
    assert [row["key"] for row in rows(page)] == ["bbc.co.uk", "github.com", "nytimes.com", "empty.test"]
    assert {row["state"] for row in rows(page)} == {"ready"}
    expect(page.locator("tr[data-key='github.com'] .spark")).to_be_visible()
    expect(page.locator("#tally")).to_have_text("4 of 4 ready")
    before = site.asked()
    page.reload()
    all_ended(page, 20)
    assert states(page) == dict.fromkeys(["bbc.co.uk", "github.com", "nytimes.com", "empty.test"], "ready")
    assert site.asked() == before, "what is known is not fetched again"


def test_a_page_that_is_reloaded_in_the_middle_goes_on_and_starts_nothing_twice(tmp_path: Path, page: Page) -> None:
    domains = [f"again{i}.slow.test" for i in range(3)]
    with lens_and_site(tmp_path, "--slow", "5", retry_after=1, timeout=60) as (lens, site):  # time for the reload
        page.goto(lens.page())
        look_up(page, " ".join(domains))
        expect(page.locator("tr.row[data-state=waiting] .clock").first).to_contain_text("at most")
        page.reload()
        all_ended(page, 60)
        assert states(page) == dict.fromkeys(domains, "ready")
        assert [len(site.asked()[domain]) for domain in domains] == [1, 1, 1]


def test_a_failed_row_says_why_and_may_be_tried_again_when_its_time_has_come(
    lens: Lens, site: Site, page: Page
) -> None:
    page.goto(lens.page("first.flaky.test", "busy.test"))
    all_ended(page, 60)
    flaky, busy = page.locator("tr[data-key='first.flaky.test']"), page.locator("tr[data-key='busy.test']")
    expect(flaky.locator(".sentence")).to_have_text("The site answered 500 Internal Server Error.")
    expect(busy.locator(".clock")).to_contain_text("may be tried again in")
    expect(busy.get_by_role("button")).to_be_disabled()
    expect(flaky.get_by_role("button", name="Try again: first.flaky.test")).to_be_enabled(timeout=LONG)
    flaky.get_by_role("button").click()
    expect(flaky).to_have_attribute("data-state", "ready", timeout=LONG)
    assert len(site.asked()["first.flaky.test"]) == 2
    assert len(site.asked()["busy.test"]) == 1, "its Retry-After is heeded"


def test_a_dry_run_says_what_would_be_done_and_does_nothing(lens: Lens, site: Site, page: Page) -> None:
    page.goto(lens.page("reddit.com"))
    all_ended(page, 60)
    before = site.asked()
    page.get_by_label("Dry run").check()
    look_up(page, "reddit.com never-asked.test")
    expect(page.locator("#tally")).to_have_text("Dry run: nothing is fetched · 1 from the cache · 1 would be fetched")
    assert [row["told"] for row in rows(page)] == ["Would come from the cache.", "Would be fetched."]
    page.get_by_label("Bypass cache").check()
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("#tally")).to_have_text("Dry run: nothing is fetched · 0 from the cache · 2 would be fetched")
    assert site.asked() == before


def test_to_bypass_the_cache_is_to_fetch_each_once_more(lens: Lens, site: Site, page: Page) -> None:
    domains = ["amazon.de", "booking.com"]
    page.goto(lens.page(*domains))
    all_ended(page, 60)
    before = {domain: len(site.asked()[domain]) for domain in domains}
    page.get_by_label("Bypass cache").check()
    page.get_by_role("button", name="Look up").click()
    page.wait_for_function("document.querySelector('tr.row[data-state=waiting]')")
    all_ended(page, 60)
    expect(page.locator("#tally")).to_have_text("2 of 2 ready")
    assert {domain: len(site.asked()[domain]) for domain in domains} == {key: n + 1 for key, n in before.items()}


def test_rows_are_sorted_filtered_and_exported_as_shown(lens: Lens, page: Page) -> None:
    page.goto(lens.page("bbc.co.uk", "google.com", "half.test", "empty.test"))
    all_ended(page, 60)
    page.get_by_role("button", name="Visits").click()
    assert [row["key"] for row in rows(page)] == ["google.com", "bbc.co.uk", "half.test", "empty.test"]
    expect(page.get_by_role("columnheader", name="Visits")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Visits").click()
    assert [row["key"] for row in rows(page)][:2] == ["bbc.co.uk", "google.com"]
    page.get_by_role("button", name="Visits").click()
    assert [row["key"] for row in rows(page)] == ["bbc.co.uk", "google.com", "half.test", "empty.test"]
    page.get_by_role("button", name="Failed 1").click()
    assert [row["key"] for row in rows(page)] == ["half.test"]
    page.get_by_role("button", name="All 4").click()
    page.get_by_role("searchbox").fill("bbc")
    assert [row["key"] for row in rows(page)] == ["bbc.co.uk"]
    page.get_by_role("searchbox").fill("")
    table = list(csv.DictReader(io.StringIO(saved(page, "CSV"), newline="")))
    assert [line["domain"] for line in table] == ["bbc.co.uk", "google.com", "half.test", "empty.test"]
    assert int(table[0]["visits"]) > 0
    assert (table[2]["state"], table[2]["error"]) == ("failed", "The site’s answer broke off in the middle.")
    assert saved(page, "TSV").splitlines()[0].split("\t") == list(table[0])
    objects = json.loads(saved(page, "JSON"))
    assert len(objects[1]["history"]) == 12
    assert "not measured" in objects[1]["basis"]


def saved(page: Page, name: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click()
    return Path(download.value.path()).read_bytes().decode("utf-8")


def test_a_link_shares_the_list(lens: Lens, page: Page) -> None:
    page.goto(lens.page())
    look_up(page, "https://github.com/x nytimes.com")
    all_ended(page, 60)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == lens.page("github.com", "nytimes.com")
    page.goto("about:blank")
    page.goto(link)
    all_ended(page, 20)
    assert list(states(page)) == ["github.com", "nytimes.com"]
    expect(page.locator("#domains")).to_have_value("github.com\nnytimes.com")


def test_everything_can_be_done_by_keyboard(lens: Lens, page: Page) -> None:
    page.goto(lens.page())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the link that skips to the list
    page.locator("#domains").press_sequentially("github.com")
    page.keyboard.press("Control+Enter")
    all_ended(page, 60)
    row = page.get_by_role("row", name="github.com")
    row.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".bars li")).to_have_count(12)
    expect(row.get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".bars")).to_have_count(0)


# -- what the server may say, and how the page bears it


def item(key: str, **more: Any) -> dict[str, Any]:
    value = {
        "domain": key, "visits": 1_000, "growth": 0.1, "duration": 60, "pages": 2, "bounce": 0.5, "category": "Test",
        "basis": "", "sources": {"direct": 0.6, "search": 0.4}, "history": [["2026-09", 900], ["2026-10", 1_000]],
    }  # fmt: skip
    usual = {
        "name": "traffic", "key": key, "found": True, "value": value, "got_at": None, "age": 90_000, "stale": False,
        "last_error": None, "failures": 0, "retry_in": 0, "refreshing": False, "task": None, "settles_in": 0,
        "settled": True, "retry_after": 1,
    }  # fmt: skip
    return {**usual, **more}


class Said:
    """Answers in place of the server's, one after the other; the last one for good."""

    def __init__(self, page: Page, *answers: Any) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answers = list(answers)
        page.route("**/latest/traffic", self._fulfil)

    def _fulfil(self, route: Route) -> None:
        self.asked.append(route.request.post_data_json)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, int):
            return route.fulfill(status=answer, body="")
        settled = all(one.get("error") or one["settled"] for one in answer)
        most = max(one.get("settles_in", 0) for one in answer)
        return route.fulfill(json={"items": answer, "settled": settled, "settles_in": most, "retry_after": 0.5})


ERROR = {"reason": "exception", "message": "The site answered 500.", "type": "PublicError", "at": None}
OPEN = {"found": False, "value": None, "refreshing": True, "settled": False, "settles_in": 4}


def test_a_500_among_the_polls_stops_nothing_and_whoever_waits_starts_nothing(lens: Lens, page: Page) -> None:
    said = Said(page, [item("a.com", **OPEN)], 500, 500, [item("a.com")])
    page.goto(lens.page("a.com"))
    all_ended(page, 30)
    assert states(page) == {"a.com": "ready"}
    assert [one["refresh"] for one in said.asked] == ["auto", *["never"] * (len(said.asked) - 1)]


def test_a_good_value_stays_beside_the_error_of_its_refresh(lens: Lens, page: Page) -> None:
    Said(page, [item("a.com", stale=True, last_error=ERROR, failures=1, retry_in=90)])
    page.goto(lens.page("a.com"))
    all_ended(page, 20)
    (row,) = rows(page)
    assert (row["state"], row["visits"]) == ("failed", "1,000")
    assert row["told"] == "Not fetched anew: the site answered 500. From 25 h ago."
    expect(page.locator(".below .clock")).to_contain_text("may be tried again in")


def test_a_server_that_is_gone_for_good_leaves_no_row_waiting(lens: Lens, page: Page) -> None:
    Said(page, [item("a.com"), item("b.com", **OPEN)], 503)
    page.goto(lens.page("a.com", "b.com"))
    expect(page.locator("#trouble")).to_contain_text("Contact lost", timeout=LONG)
    all_ended(page, 60)
    assert states(page) == {"a.com": "ready", "b.com": "failed"}
    assert "Nobody answered in time" in rows(page)[1]["told"]
    expect(page.get_by_role("button", name="Try again: b.com")).to_be_enabled()
    expect(page.locator("#trouble")).to_be_empty()


def test_a_domain_that_the_server_refuses_says_so_in_its_row(lens: Lens, page: Page) -> None:
    Said(page, [{"asked": "a.com", "error": {"status": 422, "detail": "It is no domain."}}, item("b.com")])
    page.goto(lens.page("a.com", "b.com"))
    all_ended(page, 20)
    assert [(row["state"], row["told"]) for row in rows(page)] == [("failed", "It is no domain."), ("ready", "")]


# -- for everybody


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make test-js does it")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", NARROW)])
def test_axe_finds_no_violation_and_nothing_is_wider_than_the_page(
    lens: Lens, browser: Browser, scheme: Any, width: int
) -> None:
    size: Any = {"width": width, "height": 900}
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce", viewport=size)
    page = context.new_page()
    page.set_default_timeout(30_000)
    Said(page, [
        item("a-rather-long-name-of-a-domain.example.org"), item("b.com", **{**OPEN, "settles_in": 900}),
        item("c.com", found=False, value=None, last_error=ERROR, retry_in=60),
        item("d.com", found=False, value=None, last_error=ERROR), item("e.com", last_error=ERROR, stale=True),
        {"asked": "f.com", "error": {"detail": "It is no domain."}}, item("g.com", value={"visits": None}),
        item("h.com", refreshing=True, settled=False, settles_in=900),
    ])  # fmt: skip
    page.goto(lens.page("a-rather-long-name-of-a-domain.example.org", *(f"{letter}.com" for letter in "bcdefgh")))
    page.locator("tr[data-key^='a-rather'] button").click()
    expect(page.locator(".bars")).to_be_visible()
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run()")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
