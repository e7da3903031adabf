"""Takes the README's pictures: python docs/take_screenshot.py [path of a chromium].

Starts the demo on a free port with a ledger in a temporary folder, does some real work, causes a few faults, and saves
what has settled as docs/demo.png; looks up some domains with TrafficLens beside it, and saves docs/trafficlens.png.
Needs the development environment.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from playwright.sync_api import Error, Page, ViewportSize, sync_playwright

from tests.browser.chromium import find_chromium

PICTURE = Path(__file__).with_name("demo.png")
LENS = Path(__file__).with_name("trafficlens.png")
EXAMPLES = Path(__file__).parents[1] / "examples"
DOMAINS = "wikipedia.org nytimes.com reddit.com github.com bbc.co.uk redesigned.test hangs.test empty.test"
PAGES = ("/comet", "/bell", "/missing", "/huge")
FAULTS = ("segfault", "memory-limit", "busy-loop-gil", "worker-killed-twice", "worker-frozen", "clock-set")
PATIENCE_MS = 60_000
SIZE: ViewportSize = {"width": 1040, "height": 800}

CROP = """
for (const row of document.querySelectorAll(".run-row.resting")) row.remove();
for (const part of document.querySelectorAll(".fault, .group")) if (!part.querySelector(".run-row")) part.remove();
document.querySelector("footer").remove();
document.activeElement.blur();
scrollTo(0, 0);
"""


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def visit(page: Page, url: str) -> None:
    """Open the page as soon as the server answers."""
    for _ in range(100):
        try:
            page.goto(url)
        except Error:
            page.wait_for_timeout(100)
        else:
            page.wait_for_selector(".run-row")
            return
    raise SystemExit(f"The demo does not answer at {url}.")


def play(page: Page) -> None:
    """Do a bit of everything, and leave on the page only what was done."""
    site = page.input_value("#addresses").splitlines()[0].rstrip("/")
    page.fill("#addresses", "\n".join(site + path for path in PAGES))
    page.click("#work-form button[type=submit]")
    settled = f"document.querySelectorAll('.work-rows li:not([data-state=open])').length === {len(PAGES)}"
    page.wait_for_function(settled, timeout=PATIENCE_MS)
    for fault in FAULTS:
        page.click(f'.run-row[data-fault="{fault}"] button.run')
    page.wait_for_function("!document.querySelector('button.run:disabled')", timeout=PATIENCE_MS)
    page.evaluate(CROP)


def look_up(page: Page, url: str) -> None:
    """Look up some domains, and wait until every row has ended."""
    page.goto(f"{url}#{DOMAINS.replace(' ', ',')}")
    rows = "document.querySelectorAll('tr.row').length"
    page.wait_for_function(f"{rows} && !document.querySelector('tr.row[data-state=waiting]')", timeout=PATIENCE_MS)
    page.click("tr.row:nth-child(2) button.who")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def main(chromium: str | None) -> None:
    """Serve, play, take the picture."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        given = f"port={port}, ledger_url='sqlite:///{folder}/demo.db', also=['trafficlens']"
        serve = f"from settled.demo import serve; serve({given})"
        environment = {**os.environ, "PYTHONPATH": str(EXAMPLES), "LEDGER": f"sqlite:///{folder}/lens.db"}
        server = subprocess.Popen([sys.executable, "-c", serve], env=environment)
        try:
            sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to be root in one
            browser = playwright.chromium.launch(executable_path=chromium or find_chromium(), args=sandbox)
            page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
            visit(page, f"http://127.0.0.1:{port}/")
            play(page)
            page.screenshot(path=PICTURE, full_page=True)
            look_up(page, f"http://127.0.0.1:{port}/trafficlens/")
            page.screenshot(path=LENS, full_page=True)
            browser.close()
        finally:
            server.terminate()
            server.wait(timeout=30)
    for picture in (PICTURE, LENS):
        sys.stdout.write(f"{picture}: {picture.stat().st_size // 1000} kB\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
