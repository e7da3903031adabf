"""TrafficLens and the site that it reads, each a real process, for the tests of its page."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.browser.served import ROOT, Process
from tests.ports import free_port

PYTHON_PATH = os.pathsep.join([str(ROOT / "examples"), str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


class Site(Process):
    """The stand-in, with a log of what it was asked for."""

    def __init__(self, folder: Path, *options: str) -> None:
        port = free_port()
        self._log = folder / "asked.jsonl"
        command = [sys.executable, "-m", "trafficlens.site", "--port", str(port), "--log", str(self._log), *options]
        super().__init__(command, port, folder, {"PYTHONPATH": PYTHON_PATH})

    def asked(self) -> dict[str, list[float]]:
        """The instants at which it was asked for each domain, in order."""
        found: dict[str, list[float]] = {}
        for line in self._log.read_text("utf-8").splitlines():
            entry = json.loads(line)
            found.setdefault(entry["domain"], []).append(entry["at"])
        return found


class Lens(Process):
    """``trafficlens.app``, served by uvicorn."""

    def __init__(self, folder: Path, site: Site, **settings: float) -> None:
        port = free_port()
        self.ledger = folder / "lens.db"
        command = [sys.executable, "-m", "uvicorn", "trafficlens.app:app", "--port", str(port), "--no-access-log"]
        numbers = {f"TRAFFIC_{name.upper()}": str(value) for name, value in settings.items()}
        environment = {"PYTHONPATH": PYTHON_PATH, "LEDGER": f"sqlite:///{self.ledger}", "TRAFFIC_SOURCE": site.url}
        super().__init__([*command, "--timeout-graceful-shutdown", "3"], port, folder, {**environment, **numbers})

    def page(self, *domains: str) -> str:
        """The address of a page with these domains on it."""
        return f"{self.url}/#{','.join(domains)}" if domains else f"{self.url}/"


@contextmanager
def lens_and_site(folder: Path, *options: str, **settings: float) -> Iterator[tuple[Lens, Site]]:
    """Both, on free ports; ended at the end."""
    (folder / "site").mkdir()
    site = Site(folder / "site", *options)
    try:
        lens = Lens(folder, site, **settings)
        try:
            yield lens, site
        finally:
            lens.close()
    finally:
        site.close()


# -- what is on the page

ROWS = """[...document.querySelectorAll("tr.row")].map((row) => {
  const below = row.nextElementSibling?.matches(".below") ? row.nextElementSibling : null;
  const told = row.querySelector(".sentence") ?? below?.querySelector(".sentence");
  const { key, state } = row.dataset;
  return { key, state, visits: row.querySelector(".visits b")?.title ?? null, told: told?.innerText ?? "" };
})"""


def rows(page: Page) -> list[dict[str, Any]]:
    """The rows of the page, in the order shown."""
    return list(page.evaluate(ROWS))


def states(page: Page) -> dict[str, str]:
    return {row["key"]: row["state"] for row in rows(page)}


def look_up(page: Page, pasted: str) -> None:
    page.locator("#domains").fill(pasted)
    page.get_by_role("button", name="Look up").click()


def all_ended(page: Page, within: float) -> None:
    """Wait until no row is waiting, by the page's own document."""
    page.wait_for_function(
        "document.querySelectorAll('tr.row').length > 0 && !document.querySelector('tr.row[data-state=waiting]')",
        timeout=within * 1_000,
    )
