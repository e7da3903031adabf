"""A real headless Chromium for the tests in this folder.

The browser lives as long as one test module runs, and no longer: while it is open its driver
keeps an event loop in the main thread, and ``asyncio.run`` refuses to work there.
"""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.browser.chromium import find_chromium

HERE = Path(__file__).parent
FLAGS = [
    "--no-sandbox",  # for root, as in most CI
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


BROWSERS = 2
"""At once at most, however many workers: by itself one is what the whole run waits for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if HERE in item.path.parents]
    modules = sorted({item.path for item in here})
    for item in here:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.xdist_group(f"browser-{modules.index(item.path) % BROWSERS}"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with an empty profile of its own."""
    path = find_chromium()
    if path is None:
        pytest.skip("Chromium is missing: install chromium or Google Chrome, or set SETTLED_CHROMIUM to one's path")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def long() -> None:
    """For a test with a ``timeout`` of its own that is longer than ``faulthandler_timeout``: only its own holds."""
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh tab without cookies, cache or history; an error that its scripts do not catch, or log, fails the test."""
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # A request that failed is logged by the browser itself; whether one may fail is for each test to say.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            errors.append(message.text)

    context = browser.new_context(reduced_motion="reduce")  # drawn without a GPU, motion takes a whole processor
    context.set_default_timeout(30_000)
    tab = context.new_page()
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", heard)
    yield tab
    context.close()
    assert not errors, "wrong in the page: " + "; ".join(errors)
