"""The app of this folder as a real process on a real port, and what the pages and the server have noted meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from playwright.sync_api import Page

from tests.browser.app import LOG
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 30.0
GRACE = 5.0  # seconds that the element goes on after the task's own deadline
BUSY = 10.0  # seconds allowed beyond a bound, since other tests run on the same processors

# What the page itself saw, and when by its own clock; ``page.goto`` begins a new list.
RECORDER = """
window.seen = [];
for (const name of ["settled-update", "settled-end"]) {
  const note = ({ target, detail }) => seen.push({ name, at: performance.now() / 1000, src: target.getAttribute("src"),
    state: target.getAttribute("state"), detail: JSON.parse(JSON.stringify(detail)) });
  addEventListener(name, note, true);
}
"""


def until(condition: Callable[[], Any], within: float, what: str) -> Any:
    """Return the first true answer of ``condition``; fail after so many seconds."""
    end = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        time.sleep(0.03)


class Process:
    """A server of the test's own on a free port: started, signalled, restarted on the same port, and ended."""

    def __init__(self, command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        python_path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
        self._command, self._environment = command, {**os.environ, "PYTHONPATH": python_path, **environment}
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._popen = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=self.folder, env=self._environment, start_new_session=True
            )
        until(self._answers, STARTS_WITHIN, "the server answers")

    def _answers(self) -> bool:
        assert self._popen.poll() is None, f"the server has ended: {self.log()}"
        try:  # who listens has started up, and answers as soon as it can
            socket.create_connection(("127.0.0.1", self._port), STARTS_WITHIN).close()
        except ConnectionRefusedError:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and see it dead."""
        self._popen.kill()
        self._popen.wait(10)

    def end(self) -> None:
        """SIGTERM, as in a deploy, and wait for the end."""
        self._popen.terminate()
        self._popen.wait(STARTS_WITHIN)

    def revive(self) -> None:
        """Make sure that it lives, whatever a test has done to it."""
        if self._popen.poll() is None:
            self.send(signal.SIGCONT)
        else:
            self.start()

    def log(self) -> str:
        return (self.folder / "server.log").read_text("utf-8", "replace")[-4000:]

    def close(self) -> None:
        if self._popen.poll() is None:
            self.kill()
        print(self.log())


class Server(Process):
    """``app.py``, served by uvicorn, with a lease of so many seconds."""

    def __init__(self, folder: Path, lease: float = 30.0) -> None:
        port = free_port()
        options = ["--port", str(port), "--no-access-log", "--timeout-graceful-shutdown", "3"]
        command = [sys.executable, "-m", "uvicorn", "tests.browser.app:app", *options]
        headers = {"Connection": "close"}  # since the server may be killed between two requests
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=STARTS_WITHIN)
        super().__init__(command, port, folder, {"SETTLED_TEST_FOLDER": str(folder), "SETTLED_TEST_LEASE": str(lease)})

    def close(self) -> None:
        super().close()
        self._client.close()

    def submit(self, name: str, *args: Any) -> str:
        """Submit a task; return the path where pages ask for it."""
        answer = self._client.post(f"/submit/{name}", json=args)
        assert answer.status_code == 202, answer.text
        return str(answer.headers["Location"])

    def open_gate(self, name: str) -> None:
        self._client.post(f"/gates/{name}").raise_for_status()

    def page(self, *srcs: str, having: str = "", lax: bool = False) -> str:
        """The address of a page with an element for each ``src``."""
        query = [("src", src) for src in srcs] + [("with", having)] + [("lax", "1")] * lax
        return f"{self.url}/page?{urlencode(query)}"

    # -- what it has noted

    def requests(self, path: str, method: str = "GET") -> list[dict[str, Any]]:
        """The requests that have begun, in order; those that have ended say when."""
        lines = (self.folder / LOG).read_text("utf-8").splitlines()
        found: dict[float, dict[str, Any]] = {}
        for entry in map(json.loads, lines):
            if (entry["path"], entry["method"]) == (path, method):
                found[entry["began"]] = entry
        return list(found.values())

    def row(self, path: str) -> tuple[str, str | None]:
        """Status and reason as they are on the disk; looking so settles nothing."""
        query = "SELECT status, reason FROM task_results WHERE id = ?"
        with contextlib.closing(sqlite3.connect(self.folder / "tasks.db", timeout=10)) as connection:
            status, reason = connection.execute(query, [path.rpartition("/")[2]]).fetchone()
            return status, reason


def visit(page: Page, address: str) -> None:
    """Open a page that records what its elements tell."""
    page.add_init_script(RECORDER)
    page.goto(address)


def add_element(page: Page, src: str) -> None:
    """Put another element into a page that is open."""
    page.evaluate(
        """(src) => {
          const element = document.createElement("settled-task");
          element.setAttribute("src", src);
          document.body.append(element);
        }""",
        src,
    )


def seen(page: Page, name: str) -> list[dict[str, Any]]:
    """The events of one name, as the page recorded them."""
    events: list[dict[str, Any]] = page.evaluate("seen")
    return [event for event in events if event["name"] == name]


def ending(page: Page) -> dict[str, Any]:
    """How the page's only wait ended; waits for that by the task's own bound, as it was told to the page."""
    assert page.locator("settled-task").count() == 1
    told = seen(page, "settled-update")
    promised = told[-1]["at"] + told[-1]["detail"]["settles_in"] if told else 0.0
    left = promised - now(page)
    ends = until(lambda: seen(page, "settled-end"), left + GRACE + BUSY, "the wait ends by the task's own bound")
    assert len(ends) == 1, "a wait ends once"
    return dict(ends[0])


def now(page: Page) -> float:
    """The page's own clock, in seconds."""
    return float(page.evaluate("performance.now() / 1000"))


def let_a_moment_pass(page: Page) -> None:
    """The button takes a click in the first moment for one that was meant for what stood there before."""
    until(lambda: page.evaluate("performance.now() / 1000 > seen.at(-1).at + 0.7"), 10, "the button is no longer new")
