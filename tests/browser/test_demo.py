"""The demo's page, as ``settled demo`` serves it: both halves work, on a narrow screen too, without an error."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from settled.demo.faults import FAULTS
from settled.demo.pages import PAGES
from settled.demo.site import MISBEHAVIOURS
from tests.browser.served import Process
from tests.ports import free_port

BUSY = 15.0  # seconds allowed beyond what the table says, since other tests run on the same processors
LONGEST_WORK = 8.0  # seconds that the task for one page may take

ONE_OF_EACH = [
    "exception-nul-and-surrogates",
    "segfault",
    "async-hang",
    "late-result",
    "result-50mb-in-thread",
    "result-dataclass",
    "worker-killed",
    "worker-killed-and-restarted",
    "unknown-id",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("demo")
    port = free_port()
    ledger = f"sqlite:///{folder / 'demo.db'}"
    command = [sys.executable, "-m", "settled.cli", "demo", "--port", str(port), "--ledger", ledger]
    served = Process(command, port, folder, {})
    yield served
    served.end()
    served.close()


@pytest.fixture
def demo_page(demo: Process, page: Page) -> Page:
    page.goto(demo.url)
    expect(page.locator(".fault")).not_to_have_count(0)
    return page


def fault_row(page: Page, name: str) -> Locator:
    return page.locator(f'[data-fault="{name}"]')


def test_the_page_offers_every_fault_that_the_server_knows(demo: Process, demo_page: Page) -> None:
    told = [fault["name"] for fault in httpx.get(f"{demo.url}/demo/faults", timeout=BUSY).json()]
    shown = demo_page.locator("[data-fault]").evaluate_all("(rows) => rows.map((row) => row.dataset.fault)")
    assert sorted(shown) == sorted(told)
    expect(demo_page.locator("#fault-tally")).to_have_text(f"{len(told)} faults, each of which must settle")


def test_the_pages_of_the_local_site_are_summed_up_and_the_bad_ones_fail_in_plain_words(demo_page: Page) -> None:
    demo_page.get_by_role("button", name="Fetch these pages").click()
    rows = demo_page.locator("#work-rows li")
    expect(rows).to_have_count(len(PAGES) + len(MISBEHAVIOURS))
    tally = demo_page.locator("#work-tally")
    good = len(PAGES) + 1  # one of those that misbehave is only slow
    said = f"{len(PAGES) + len(MISBEHAVIOURS)} of {len(PAGES) + len(MISBEHAVIOURS)} settled: {good} completed, "
    expect(tally).to_have_text(f"{said}{len(MISBEHAVIOURS) - 1} failed", timeout=1000 * (LONGEST_WORK + BUSY))
    for page in PAGES:
        row = rows.filter(has_text=page.title)
        expect(row).to_have_attribute("data-state", "completed")
        expect(row.locator(".number")).to_contain_text(["200", " B", f"{len(PAGES)} links"])
    expect(rows.filter(has_text="/broken")).to_contain_text("The server answered 500")
    expect(rows.filter(has_text="/circle")).to_contain_text("in a circle")
    expect(rows.filter(has_text="/hangs")).to_contain_text("then sent nothing")


def test_faults_end_as_the_table_says(demo_page: Page) -> None:
    for name in ONE_OF_EACH:
        fault_row(demo_page, name).get_by_role("button").first.click()
    bound = sum(FAULTS[name].within for name in ONE_OF_EACH) + BUSY
    settled = f"{len(ONE_OF_EACH)} of {len(ONE_OF_EACH)} settled, {len(ONE_OF_EACH)} as expected"
    expect(demo_page.locator("#fault-tally")).to_contain_text(settled, timeout=1000 * bound)
    for name in ONE_OF_EACH:
        row, fault = fault_row(demo_page, name), FAULTS[name]
        expect(row.locator(".state")).to_have_text(fault.status)
        expect(row.locator(".reason")).to_have_text(fault.reason or "")
        expect(row.locator(".unlike")).to_be_empty()
        expect(row.locator(".message")).not_to_be_empty()
        expect(row.get_by_role("button").first).to_be_enabled()


def test_a_demo_page_that_is_reloaded_finds_its_rows_again(demo_page: Page) -> None:
    row = fault_row(demo_page, "async-hang")
    row.get_by_role("button").first.click()
    expect(row.locator(".state")).to_have_text("running")
    demo_page.reload()
    expect(row.locator(".reason")).to_have_text("timeout", timeout=1000 * (FAULTS["async-hang"].within + BUSY))
    demo_page.reload()
    expect(row.locator(".reason")).to_have_text("timeout")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_demo_fits_its_screen_before_and_after(demo_page: Page, width: int) -> None:
    demo_page.set_viewport_size({"width": width, "height": 800})
    fits(demo_page, width)
    demo_page.get_by_label("Web addresses, one a line").fill("https://-/" + "long" * 200)
    demo_page.get_by_role("button", name="Fetch these pages").click()
    fault_row(demo_page, "exception-10mb").get_by_role("button").first.click()
    expect(demo_page.locator("#work-tally")).to_contain_text("1 of 1 settled", timeout=1000 * (LONGEST_WORK + BUSY))
    expect(fault_row(demo_page, "exception-10mb").locator(".reason")).to_have_text("exception", timeout=1000 * BUSY)
    fault_row(demo_page, "exception-10mb").locator(".message").click()  # the whole message
    fits(demo_page, width)


def fits(page: Page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
