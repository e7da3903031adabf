"""Every state of the element on one page, without a server: for the pictures of the docs and for the audit.

``python -m tests.browser.gallery FOLDER`` takes the pictures: wide and narrow, light and dark, left to right and back.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, expect, sync_playwright

from tests.browser.chromium import find_chromium

STATIC = Path(__file__).parents[2] / "src/settled/web/static"
SITE = "http://gallery.test"
MADE = "2026-11-23T14:00:00.000Z"
OPEN: dict[str, Any] = {
    "settled": False, "status": "running", "created_at": MADE, "settles_at": "2026-11-23T14:12:00.000Z",
    "settles_in": 680, "retry_after": 25, "progress": None,
}  # fmt: skip
OVER = {"settled": True, "created_at": MADE, "settles_at": OPEN["settles_at"], "settles_in": 0, "retry_after": 0}
OVER["finished_at"] = "2026-11-23T14:01:07.000Z"


def failed(reason: str, message: str) -> dict[str, Any]:
    return {**OVER, "status": "failed", "error": {"reason": reason, "message": message, "type": None}}


STATES: dict[str, tuple[str, Any]] = {
    "waiting": ("pending", {**OPEN, "status": "pending", "settles_in": 712}),
    "working": ("running", {**OPEN, "progress": {"fraction": 0.4, "message": "12 of 30 pages"}}),
    "unsure": ("running", OPEN),
    "lost": ("running", "lost"),
    "text": ("completed", {**OVER, "status": "completed", "result": "The report has 30 pages."}),
    "object": ("completed", {**OVER, "status": "completed", "result": {"url": "https://example.org", "words": 1234}}),
    "failed": ("failed", failed("exception", "The server answered 404 Not Found.")),
    "cancelled": ("failed", failed("cancelled", "Cancelled on request.")),
    "unknown": ("unknown", 410),
    "denied": ("denied", 401),
    "unreachable": ("unreachable", "gone"),
}
NARROW, WIDE = 360, 760


def show(page: Page, *, rtl: bool = False) -> None:
    """Open the page, and wait until every element is in its state."""
    asked: dict[str, int] = {}

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(SITE)
        if path == "/settled.js":
            return route.fulfill(path=STATIC / "settled.js", content_type="text/javascript")
        if not path.startswith("/tasks/"):
            return route.fulfill(body=_page(rtl), content_type="text/html")
        name = path.removeprefix("/tasks/")
        asked[name] = asked.get(name, 0) + 1
        body = STATES[name][1]
        if isinstance(body, int):
            return route.fulfill(status=body)
        if body in ("lost", "gone"):
            if asked[name] > 1:
                return route.abort()
            body = {**OPEN, "retry_after": 1, "settles_in": 680 if body == "lost" else 0.3}
        return route.fulfill(body=json.dumps(body), content_type="application/json")

    page.route("**/*", answer)
    page.goto(SITE)
    for name, (state, _) in STATES.items():
        expect(page.locator(f"#{name}")).to_have_attribute("state", state, timeout=20_000)
    expect(page.locator("#lost .message")).to_contain_text("Contact lost", timeout=20_000)


def _page(rtl: bool) -> str:
    elements = "".join(
        f'<settled-task id="{name}" src="/tasks/{name}" cancellable retryable></settled-task>' for name in STATES
    )
    return (
        f"<!doctype html><html lang=en dir={'rtl' if rtl else 'ltr'}><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><title>Every state</title>"
        "<style>:root{color-scheme:light dark;background:light-dark(#f4f6f8,#101317)}"
        "body{margin:1rem;display:grid;gap:1rem;max-width:44rem}</style>"
        f"<main style='display:contents'><h1 style='position:absolute;opacity:0'>Tasks</h1>{elements}</main>"
        "<script type=module src=/settled.js></script>"
    )


def main(folder: Path) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for width in (NARROW, WIDE):
            for scheme in ("light", "dark"):
                for rtl in (False, True):
                    context = browser.new_context(
                        viewport={"width": width, "height": 700}, color_scheme=scheme, reduced_motion="reduce",
                        locale="en-GB", device_scale_factor=1,
                    )  # fmt: skip
                    page = context.new_page()
                    show(page, rtl=rtl)
                    expect(page.locator("#working .note")).to_be_visible(timeout=15_000)
                    name = f"{'narrow' if width == NARROW else 'wide'}-{scheme}-{'rtl' if rtl else 'ltr'}.png"
                    page.screenshot(path=folder / name, full_page=True)
                    context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
