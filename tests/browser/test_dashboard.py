"""The dashboard in a real browser: by hand, by keys, without scripts, while things change, and with hostile texts."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from settled.dashboard import Access, Dashboard
from settled.dashboard.serving import server_of
from settled.ledger import Ledger
from settled.records import Snapshot, Verdict
from settled.states import Reason, Status
from settled.stores.base import Progress
from settled.stores.sqlite import SQLiteStore
from tests.browser.served import ROOT, until
from tests.stores.making import new_task

AXE = ROOT / "js/node_modules/axe-core/axe.min.js"
NARROW = 360
HOSTILE = '</a><img src=x onerror="window.hacked=1">\'"><script>window.hacked=2</script>\u202e\x1b[31m'


INTRUDER = """(code) => new Promise((tell) => {
  const heard = ({ violatedDirective }) => tell(violatedDirective);
  document.addEventListener("securitypolicyviolation", heard, { once: true });
  const script = document.createElement("script");
  script.textContent = code;
  document.body.append(script);
})"""


COUNTER = """
window.asked = 0;
const original = fetch;
window.fetch = (...given) => { asked++; return original(...given); };
"""  # what the page has asked is known at once, what the server has heard a little later


expect.set_options(timeout=30_000)  # other tests run on the same processors


class Served:
    """A dashboard on a ledger that the test fills."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(SQLiteStore(folder / "tasks.db"), lease=600)
        self.ledger.open()
        self.worker = self.ledger.membership.enlist(["work"])
        self.asked = 0
        server = server_of(Dashboard(self), 0, Access("write", "ada"))
        self._server = server
        self.url = f"http://localhost:{server.server_port}"
        answer = server.RequestHandlerClass._answer  # type: ignore[attr-defined]

        def counted(handler: Any, body: bytes) -> None:
            self.asked += "/static/" not in handler.path
            answer(handler, body)

        server.RequestHandlerClass._answer = counted  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def submit(self, name: str = "work", **changes: Any) -> Snapshot:
        return self.ledger.add(new_task(name, **changes))[0]

    def failed(self, name: str = "work", message: str = "It broke.", **changes: Any) -> Snapshot:
        row = self.submit(name, worker=self.worker, **changes)
        self.ledger.settle_now(
            Verdict(row.id, 1, Status.FAILED, None, Reason.EXCEPTION, message, message[:50], f"Traceback\n{message}")
        )
        return row

    def reason(self, row: Snapshot) -> str | None:
        found = self.ledger.store.read([row.id])
        return str(found[0].reason or found[0].status) if found else None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.ledger.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.close()


KINDS = ("list", "nothing found", "failures", "workers", "failed task", "running task")


def fill(served: Served) -> dict[str, str]:
    """A page of every kind."""
    bad = served.failed(message="card 4711 was declined", arguments='{"args":["u"],"kwargs":{"password":"p"}}')
    running = served.submit(worker=served.worker, key="k")
    served.ledger._writer.write_all("progress", [Progress(running.id, 1, 0.4, "12 of 30")], 5)
    served.submit("thumbnail")
    paths = ("/", "/?q=nothing-like-it", "/failures", "/workers", f"/{bad.id}", f"/{running.id}")
    return dict(zip(KINDS, paths, strict=True))


# -- acting


def test_a_selection_is_cancelled_after_a_page_that_names_the_count(served: Served, page: Page) -> None:
    rows = [served.submit() for _ in range(3)]
    page.goto(served.url)
    page.get_by_role("checkbox", name=re.compile(rows[0].id[-6:])).check()
    page.get_by_role("checkbox", name=re.compile(rows[2].id[-6:])).check()
    expect(page.locator("#picked")).to_have_text("2 selected")
    page.get_by_role("group", name="The selected tasks").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading")).to_have_text("Cancel 2 tasks?")
    page.get_by_role("button", name="Cancel 2 tasks").click()
    expect(page.locator(".notice")).to_have_text("2 tasks cancelled.")
    assert [served.reason(row) for row in rows] == ["cancelled", "pending", "cancelled"]


def test_all_that_match_go_step_by_step_by_themselves(
    served: Served, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settled.dashboard.pages.acting.STEP", 2)
    monkeypatch.setattr("settled.dashboard.pages.acting.STEP_SECONDS", 0.0)
    rows = [served.failed() for _ in range(5)]
    left = served.failed("other")
    page.goto(f"{served.url}/?name=work&status=failed")
    page.get_by_role("group", name="All tasks that match").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete 5 tasks").click()
    expect(page.locator(".notice")).to_have_text("5 tasks deleted.")
    assert [served.reason(row) for row in (*rows, left)] == [None] * 5 + ["exception"]


def test_everything_works_without_scripts(served: Served, browser: Browser) -> None:
    row = served.failed("scrape")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served.url)
    page.get_by_label("Search").fill("broke")
    page.get_by_role("button", name="Filter").click()
    assert "q=broke" in page.url
    page.get_by_role("link", name="scrape").click()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="Try 1 task again").click()
    expect(page.locator(".chip")).to_have_text("waiting")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel 1 task").click()
    expect(page.locator(".lead .chip")).to_have_text("cancelled")
    expect(page.get_by_text("Cancelled in the dashboard by ada.")).to_be_visible()
    assert served.reason(row) == "exception"
    context.close()


# -- keys


def test_keys_walk_the_list_select_search_and_open(served: Served, page: Page) -> None:
    rows = [served.submit(f"task_{number}") for number in range(4)]
    page.goto(served.url)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    expect(page.locator(":focus")).to_have_text("task_2")
    page.keyboard.press("x")
    expect(page.locator("#picked")).to_have_text("1 selected")
    page.keyboard.press("a")
    page.keyboard.press("a")
    expect(page.locator("#picked")).to_have_text("4 selected")
    page.keyboard.press("/")
    page.keyboard.type("jxa?")
    assert page.locator("#q").input_value() == "jxa?"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.get_by_label("Keys do something").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.locator("a.name").first.focus()
    page.keyboard.press("j")
    expect(page.locator(":focus")).to_have_text("task_3")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{rows[3].id}")


# -- staying up to date


def test_the_list_follows_what_happens_and_keeps_what_is_selected(served: Served, page: Page) -> None:
    row = served.submit("first")
    page.goto(served.url)
    served.ledger.cancel(row.id)
    second = served.submit("second")
    expect(page.locator(f"#t-{row.id} .chip")).to_have_text("cancelled")
    expect(page.locator("#rows tr").first).to_have_id(f"t-{second.id}")
    expect(page.locator("#tallies")).to_contain_text("Failed1")
    page.locator(f"#t-{second.id} input").check()
    third = served.submit("third")
    served.ledger.cancel(second.id)
    expect(page.locator("#fresh")).to_have_text("1 new: show")
    expect(page.locator(f"#t-{second.id} .chip")).to_have_text("cancelled")
    expect(page.locator(f"#t-{second.id} input")).to_be_checked()
    page.locator("#fresh").click()
    expect(page.locator("#rows tr").first).to_have_id(f"t-{third.id}")


def test_a_page_that_is_hidden_or_paused_asks_for_nothing(served: Served, page: Page) -> None:
    served.submit()
    page.clock.install()
    page.add_init_script(COUNTER)
    page.goto(served.url)
    until(lambda: _after(page, 3_000) and page.evaluate("asked") > 0, 20, "it asks while it is seen")
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    before = _asks_nothing(served, page)
    page.evaluate("Object.defineProperty(document, 'hidden', { value: false, configurable: true })")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    until(lambda: _after(page, 100) and page.evaluate("asked") > before, 20, "it looks at once when it is seen again")
    page.get_by_role("button", name="Live").click()
    expect(page.locator("#live")).to_have_text("Paused")
    _asks_nothing(served, page)
    page.reload()
    expect(page.locator("#live")).to_have_text("Paused")


def _asks_nothing(served: Served, page: Page) -> int:
    """See that two minutes go by without a question; return how many the page has asked so far."""
    asked: int = page.evaluate("asked")
    heard = served.asked
    _after(page, 120_000)
    assert page.evaluate("asked") == asked
    assert served.asked <= heard + 1  # one that it had asked before may have been heard since
    return asked


def _after(page: Page, milliseconds: int) -> bool:
    page.clock.run_for(milliseconds)
    return True


# -- hostile texts


def test_hostile_names_messages_results_and_keys_do_nothing(served: Served, page: Page) -> None:
    arguments = '{"args":["</code></pre><script>window.hacked=3</script>"],"kwargs":{"<b>":"<svg onload=hacked=4>"}}'
    bad = served.failed(HOSTILE, HOSTILE, key=HOSTILE, owner=HOSTILE, arguments=arguments)
    done = served.submit(HOSTILE, worker=served.worker)
    result = '"</pre><script>window.hacked=5</script><iframe src=javascript:parent.hacked=6>"'
    served.ledger.settle_now(Verdict(done.id, 1, Status.COMPLETED, result))
    running = served.submit(HOSTILE, worker=served.worker)
    served.ledger._writer.write_all("progress", [Progress(running.id, 1, 0.1, HOSTILE)], 5)
    served.submit(HOSTILE)
    for path in ("/", "/failures", "/workers", f"/{bad.id}", f"/{done.id}", f"/{running.id}", "/%3Cscript%3Ehacked=7"):
        page.goto(served.url + path)
        assert page.evaluate("window.hacked") is None, path
        assert page.locator("img, iframe, main script, main svg[onload]").count() == 0
    page.goto(
        f"{served.url}/?q=%3Cscript%3Ewindow.hacked%3D8%3C/script%3E&name=%22%3E%3Cimg%20src%3Dx%20onerror%3Dhacked%3D9%3E"
    )
    page.goto(served.url)
    served.submit(HOSTILE)  # and by way of the page's own script
    expect(page.locator("#rows tr")).to_have_count(5)
    page.keyboard.press("a")
    page.get_by_role("group", name="The selected tasks").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading")).to_have_text("Delete 2 tasks?")
    assert page.evaluate("window.hacked") is None


def test_a_script_that_got_into_a_page_would_not_run(served: Served, browser: Browser) -> None:
    page = browser.new_page()  # one whose console may say so
    page.goto(served.url)
    assert page.evaluate(INTRUDER, "window.hacked = 1").startswith("script-src")
    assert page.evaluate("window.hacked") is None


# -- for everybody


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make test-js does it")
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_violation_and_nothing_is_wider_than_a_narrow_page(
    served: Served, browser: Browser, kind: str
) -> None:
    path = fill(served)[kind]
    context = browser.new_context(reduced_motion="reduce", bypass_csp=True)  # axe is put into the page
    page = context.new_page()
    page.goto(served.url + path)
    if kind == "workers":
        page.evaluate("document.querySelector('#help').showModal()")
    page.evaluate(AXE.read_text("utf-8"))
    assert violations(page, "axe.run()") == []
    page.set_viewport_size({"width": NARROW, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    page.emulate_media(color_scheme="dark")
    assert violations(page, "axe.run({ runOnly: ['color-contrast'] })") == []
    context.close()


def violations(page: Page, run: str) -> list[Any]:
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in page.evaluate(run)["violations"]]
