"""The page is away while its task goes on: hidden, offline, frozen. On its return it looks, and ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.served import BUSY, GRACE, Server, add_element, ending, now, seen, until, visit

HIDE = "(state) => { Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });"
HIDE += " document.dispatchEvent(new Event('visibilitychange')); }"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("served"), lease=2.0)
    yield served
    served.close()


def held(server: Server, src: str) -> bool:
    """Whether the server holds a request for this task at present."""
    looks = server.requests(src)
    return len(looks) > 1 and "ended" not in looks[-1]


def test_a_hidden_page_asks_nothing_and_looks_at_once_when_it_is_seen_again(server: Server, page: Page) -> None:
    src = server.submit("walk", "hidden", "hidden still")
    visit(page, server.page(src))
    until(lambda: held(server, src), 20, "the page waits")
    page.evaluate(HIDE, "hidden")
    server.open_gate("hidden")
    expect(page.locator(".detail")).to_have_text("four of five")  # what was asked before is still heard
    asked = len(server.requests(src))
    server.open_gate("hidden still")
    until(lambda: server.row(src)[0] == "completed", 10, "the task settles meanwhile")
    settled = now(page)
    until(lambda: now(page) > settled + 1, 10, "time enough for another look, which would come within 0.25 s")
    assert len(server.requests(src)) == asked
    assert seen(page, "settled-end") == []
    back = now(page)
    page.evaluate(HIDE, "visible")
    ended = ending(page)
    assert ended["detail"]["end"] == "completed"
    assert ended["at"] - back < 10
    assert len(server.requests(src)) == asked + 1


def test_a_page_that_was_offline_goes_on_when_it_is_online(server: Server, page: Page) -> None:
    src = server.submit("walk", "offline")
    visit(page, server.page(src))
    until(lambda: held(server, src), 20, "the page waits")
    page.context.set_offline(True)
    server.open_gate("offline")
    until(lambda: server.row(src)[0] == "completed", 10, "the task settles meanwhile")
    page.context.set_offline(False)
    assert ending(page)["detail"]["end"] == "completed"


def test_a_page_that_is_opened_offline_says_so_and_ends_when_it_is_online(server: Server, page: Page) -> None:
    visit(page, server.page())
    src = server.submit("walk", "later")
    server.open_gate("later")
    page.context.set_offline(True)
    add_element(page, src)
    expect(page.locator(".message")).to_contain_text("Contact lost")
    back = now(page)
    page.context.set_offline(False)
    ended = ending(page)
    assert ended["detail"]["end"] == "completed"
    assert ended["at"] - back < 10


def test_a_page_that_was_frozen_past_the_deadline_looks_before_it_gives_up(
    server: Server, browser: Browser, page: Page
) -> None:
    visit(page, server.page())
    src = server.submit("rather_brief", "frozen")
    promised: float = page.evaluate(
        """async (src) => {
          const { waitForTask } = await import("/tasks/settled.js");
          return new Promise((told) => {
            const onUpdate = ({ settles_in }) => told(settles_in);
            waitForTask(src, { grace: 0, onUpdate }).then(({ end }) => (window.end = end));
          });
        }""",
        src,
    )
    thaws_at = time.monotonic() + promised + 1
    with frozen(browser):
        server.open_gate("frozen")
        until(lambda: server.row(src)[0] == "completed", 10, "the task settles meanwhile")
        until(lambda: time.monotonic() > thaws_at, promised + 5, "the deadline passes")
    assert until(lambda: page.evaluate("window.end"), GRACE + BUSY, "the page ends once it is back") == "completed"


@contextmanager
def frozen(browser: Browser) -> Iterator[None]:
    """Stop the processes in which this browser's pages live."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [process["id"] for process in processes if process["type"] == "renderer"]
    assert renderers
    for pid in renderers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in renderers:
            os.kill(pid, signal.SIGCONT)
