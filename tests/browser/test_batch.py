"""`<settled-batch>` in a real browser: rows as they come, by one wait for all of them; 10,000 rows; it always ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from settled.ids import new_id
from tests.browser.served import GRACE, ROOT, Process
from tests.ports import free_port

AXE = ROOT / "js/node_modules/axe-core/axe.min.js"
LONG_TASK = 250
"""Milliseconds for which the page may be held in one go, for other tests run on the same processors."""
NOW = 1_800_000_000_000
RECORDER = """
window.seen = [], window.longest = 0, window.asked = [], window.most = 0;
for (const name of ["settled-update", "settled-rows", "settled-end"])
  addEventListener(name, ({ detail }) => seen.push({ name, detail: JSON.parse(JSON.stringify(detail)) }), true);
new PerformanceObserver((list) => list.getEntries().forEach((task) => longest = Math.max(longest, task.duration)))
  .observe({ type: "longtask", buffered: true });
const original = fetch;
let flying = 0;
window.fetch = async (url, init) => {
  if (!String(url).includes("/batches/")) return original(url, init);
  asked.push(String(url));
  most = Math.max(most, ++flying);
  try { return await original(url, init); } finally { flying--; }
};
"""
ROWS = """() => [...document.querySelector("settled-batch").shadowRoot.querySelectorAll(".rows .row")]
  .map((row) => [...row.children].map((cell) => cell.textContent))"""


class Server(Process):
    """``batch_app.py``, served by uvicorn."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        options = ["--port", str(port), "--no-access-log", "--timeout-graceful-shutdown", "3"]
        command = [sys.executable, "-m", "uvicorn", "tests.browser.batch_app:app", *options]
        super().__init__(command, port, folder, {"SETTLED_TEST_FOLDER": str(folder)})

    def post(self, path: str, **query: Any) -> Any:
        answer = httpx.post(self.url + path, params=query, timeout=60, headers={"Connection": "close"})
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("batches"))
    yield served
    served.close()


def visit(page: Page, server: Server, src: str) -> None:
    page.add_init_script(RECORDER)
    page.goto(f"{server.url}/page?src={src}")


def ended(page: Page, end: str, within: float = 60) -> None:
    expect(page.locator("settled-batch")).to_have_attribute("state", end, timeout=within * 1000)


def all_are_shown(page: Page) -> None:
    ended(page, "failed")
    expect(page.locator(".rows .row")).to_have_count(10_000, timeout=60_000)


def test_rows_come_in_order_and_fill_as_their_tasks_end(server: Server, page: Page) -> None:
    src = server.post("/many/12", gate="rows", held=4)
    visit(page, server, src)
    expect(page.locator(".numbers")).to_have_text("8 of 12 · 2 failed")
    expect(page.locator(".title")).to_have_text("Working")
    rows = page.evaluate(ROWS)
    assert [row[0] for row in rows] == [f"#{n}" for n in range(1, 13)]
    assert rows[0] == ["#1", "done", "number 1"]
    assert rows[2] == ["#3", "failed", "<b>No multiples of three.</b>"]
    assert {row[1] for row in rows[8:]} <= {"waiting", "working"}
    server.post("/gates/rows")
    ended(page, "failed")
    expect(page.locator(".numbers")).to_have_text("12 of 12 · 4 failed")
    expect(page.locator(".failures")).to_have_text("4 × <b>No multiples of three.</b>")
    assert page.evaluate(ROWS)[10] == ["#11", "done", "number 11"]
    assert page.evaluate("seen.filter(({name}) => name === 'settled-end').length") == 1
    assert page.evaluate("document.querySelector('settled-batch').ending.message").startswith("4 of 12 tasks failed")


def test_there_is_one_wait_for_all_rows_and_it_asks_for_what_has_changed(server: Server, page: Page) -> None:
    src = server.post("/many/300", gate="wait", held=300)
    visit(page, server, src)
    expect(page.locator(".rows .row")).to_have_count(300)
    server.post("/gates/wait")
    ended(page, "failed")
    asked = page.evaluate("asked")
    assert len(asked) < 20
    assert page.evaluate("most") <= 2  # the wait, and at times a further page of rows
    assert all("changed_since=" in url for url in asked[1:])


def test_its_failed_ones_can_be_tried_again_as_a_new_batch(server: Server, page: Page) -> None:
    src = server.post("/many/6")
    visit(page, server, src)
    ended(page, "failed")
    page.evaluate("document.querySelector('settled-batch').items = ['a', 'b', 'c', 'd', 'e', 'f']")
    page.wait_for_timeout(700)  # a second click on one button must not land on the other
    page.get_by_role("button", name="Try the failed ones again").click()
    expect(page.locator(".rows .row")).to_have_count(2)
    ended(page, "failed")
    assert page.locator("settled-batch").get_attribute("src") != src
    assert [row[0] for row in page.evaluate(ROWS)] == ["c", "f"]


def test_what_is_open_can_be_cancelled(server: Server, page: Page) -> None:
    src = server.post("/many/6", gate="never", held=3)
    visit(page, server, src)
    expect(page.locator(".numbers")).to_have_text("3 of 6 · 1 failed")
    page.wait_for_timeout(700)
    page.get_by_role("button", name="Cancel what is open").click()
    ended(page, "failed")
    expect(page.locator(".numbers")).to_have_text("6 of 6 · 4 failed")
    expect(page.get_by_role("button", name="Cancel what is open")).to_be_hidden()


@pytest.mark.slow
def test_ten_thousand_rows_are_shown_and_do_not_hold_up_the_page(server: Server, page: Page) -> None:
    src = server.post("/many/10000", gate="never", held=10_000)
    server.post(src + "/cancel")  # they need not run for it
    visit(page, server, src)
    all_are_shown(page)
    expect(page.locator(".numbers")).to_have_text("10,000 of 10,000 · 10,000 failed")
    rows = page.evaluate(ROWS)
    assert [row[0] for row in rows] == [f"#{n}" for n in range(1, 10_001)]
    assert {(row[1], row[2]) for row in rows} == {("failed", "Cancelled on request, with its batch.")}
    loading = page.evaluate("longest")
    for _ in range(2):  # what held it once may be the machine, which stood still; what the page does, it does each time
        if loading >= LONG_TASK:
            page.reload()
            all_are_shown(page)
            loading = min(loading, page.evaluate("longest"))
    gaps = page.evaluate(
        """async () => {
          const table = document.querySelector("settled-batch").shadowRoot.querySelector(".table");
          const gaps = [];
          let before = await new Promise(requestAnimationFrame);
          for (let i = 1; i <= 60; i++) {
            table.scrollTop = (table.scrollHeight / 60) * i;
            const now = await new Promise(requestAnimationFrame);
            gaps.push(now - before);
            before = now;
          }
          return gaps.sort((a, b) => a - b);
        }"""
    )
    print(f"longest task {loading:.0f} ms; frames while scrolling: median {gaps[30]:.0f}, worst {gaps[-1]:.0f} ms")
    assert loading < LONG_TASK
    page.evaluate("setTimeout(() => { const began = performance.now(); while (performance.now() - began < 120); })")
    page.wait_for_function("longest >= 100")  # it would have been seen
    assert gaps[30] < 100


def test_it_goes_on_when_the_server_is_back_and_ends_when_nobody_answers_any_more(tmp_path: Path, page: Page) -> None:
    server = Server(tmp_path)
    try:
        src = server.post("/brief/5")
        visit(page, server, src)
        expect(page.locator(".rows .row")).to_have_count(5)
        server.kill()
        expect(page.locator("settled-batch")).to_have_attribute("lost", "", timeout=30_000)
        ended(page, "unreachable", 2.0 + 8.0 + 3.0 + GRACE + 20)
        server.start()
        page.get_by_role("button", name="Look again").click()
        ended(page, "failed")
        expect(page.locator(".numbers")).to_have_text("5 of 5 · 5 failed")
    finally:
        server.close()


def test_an_unknown_batch_is_not_found(server: Server, page: Page) -> None:
    visit(page, server, f"/batches/{new_id(NOW)}")
    ended(page, "unknown")
    expect(page.locator(".title")).to_have_text("Not found")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make test-js does it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_and_nothing_is_wider_than_a_narrow_page(
    server: Server, browser: Browser, scheme: Any
) -> None:
    context = browser.new_context(
        color_scheme=scheme, reduced_motion="reduce", viewport={"width": 360, "height": 800}, bypass_csp=True
    )
    page = context.new_page()
    visit(page, server, server.post("/many/40", gate=f"axe-{scheme}", held=10))
    expect(page.locator(".rows .row")).to_have_count(40)
    for state in ("running", "failed"):
        ended(page, state)
        page.evaluate(AXE.read_text("utf-8"))
        found = page.evaluate("axe.run()")
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        server.post(f"/gates/axe-{scheme}")
    context.close()
