"""Takes the pictures of docs/dashboard.md: python docs/take_dashboard.py [path of a chromium].

Serves the dashboard on a made-up day of work (tests/dashboard/scene.py) and saves a picture of each page in
docs/dashboard/. Needs the development environment.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from playwright.sync_api import Browser, Page, sync_playwright

from settled.dashboard import Access, Dashboard
from settled.dashboard.serving import server_of
from settled.ledger import Ledger
from tests.browser.chromium import find_chromium
from tests.dashboard.scene import play

FOLDER = Path(__file__).with_name("dashboard")
WIDE, NARROW = 1280, 360


class Scene:
    """The scene's ledger, for the dashboard."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger


def main(chromium: str | None) -> None:
    """Play the scene, serve it, take the pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        scene = Scene(play(Path(folder) / "tasks.db"))
        server = server_of(Dashboard(scene), 0, Access("write", "ada@example.org"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to be root in one
        browser = playwright.chromium.launch(executable_path=chromium or find_chromium(), args=sandbox)
        for name in take(browser, f"http://localhost:{server.server_port}"):
            sys.stdout.write(f"{name}: {(FOLDER / name).stat().st_size // 1000} kB\n")
        browser.close()
        server.shutdown()
        server.server_close()
        scene.ledger.close()


def take(browser: Browser, url: str) -> list[str]:
    """Take each picture; return their names."""
    wide, dark, narrow = _page(browser, WIDE), _page(browser, WIDE, dark=True), _page(browser, NARROW)
    wide.goto(f"{url}/?status=failed")
    failed = wide.locator("a.name").nth(1).get_attribute("href")
    shown = [
        _shot(wide, f"{url}/", "list.png"), _shot(wide, url + (failed or "/"), "task.png", full=True),
        _shot(wide, f"{url}/failures", "failures.png", full=True),
        _shot(wide, f"{url}/workers", "workers.png", full=True),
        _shot(dark, f"{url}/", "list-dark.png"), _shot(narrow, f"{url}/", "list-narrow.png"),
        _shot(narrow, f"{url}/failures", "failures-narrow.png"),
    ]  # fmt: skip
    wide.goto(f"{url}/?status=failed&name=scrape")
    wide.get_by_role("group", name="All tasks that match").get_by_role("button", name="Try again").click()
    wide.get_by_text("Do nothing").wait_for()
    wide.screenshot(path=FOLDER / "confirm.png", full_page=True)
    return [*shown, "confirm.png"]


def _page(browser: Browser, width: int, *, dark: bool = False) -> Page:
    return browser.new_page(
        viewport={"width": width, "height": 780}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )


def _shot(page: Page, address: str, name: str, *, full: bool = False) -> str:
    page.goto(address)
    page.screenshot(path=FOLDER / name, full_page=full)
    return name


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
