"""Every state of the element, audited by axe, in light and dark, left to right and back: no violation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import gallery
from tests.browser.served import ROOT

AXE = ROOT / "js/node_modules/axe-core/axe.min.js"
pytestmark = pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make test-js does it")


@pytest.fixture(params=["light", "dark"])
def audited(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(
        color_scheme=request.param, reduced_motion="reduce", viewport={"width": gallery.NARROW, "height": 800}
    )
    page = context.new_page()
    gallery.show(page, rtl=request.param == "dark")
    yield page
    context.close()


def test_axe_finds_no_violation_in_any_state(audited: Page) -> None:
    audited.evaluate(AXE.read_text("utf-8"))
    found = audited.evaluate("axe.run()")
    wrong = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
    assert wrong == []
    assert len(found["passes"]) > 10


def test_nothing_is_wider_than_a_narrow_page(audited: Page) -> None:
    assert audited.evaluate("document.documentElement.scrollWidth") <= gallery.NARROW
