"""``settled dashboard``: a real process on this machine's loopback address, told to end by a real signal."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from settled.states import Reason
from tests.browser.served import free_port
from tests.cli.conftest import Home, Said
from tests.crash.processes import STARTS_WITHIN, Process
from tests.dashboard.world import fields

ENDS_WITHIN = 30.0


class Serving(Process):
    """The command, and where it says that it is."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "settled.cli", "dashboard", "--port", str(free_port()), *arguments]
        self._log = folder / "dashboard.log"
        super().__init__(command, {"PYTHONUNBUFFERED": "1"}, self._log)
        said = ""
        while "\n" not in said:
            more = self.heard(STARTS_WITHIN)
            assert more, f"it ended without a word: {self._log.read_text()}"
            said += more.decode()
        self.url = re.findall(r"http://localhost:\d+", said)[0]


@pytest.fixture
def serve(home: Home, folder: Path) -> Iterator[Callable[..., Serving]]:
    """Starts the command; it is gone when the test is over."""
    made: list[Serving] = []

    def start(*arguments: str) -> Serving:
        made.append(Serving(folder, *arguments))
        return made[-1]

    yield start
    for serving in made:
        serving.close()


def test_it_serves_acts_and_logs_until_it_is_told_to_end(home: Home, serve: Callable[..., Serving]) -> None:
    row, failed = home.pending(name="nobody_here"), home.failed()
    serving = serve()
    with httpx.Client(base_url=serving.url, timeout=20) as client:
        assert failed.id in client.get("/?status=failed").text
        page = client.get(f"/{row.id}").text
        asked = client.post("/confirm", data={**fields(page), "hand": "cancel.these"})
        done = client.post("/do", data=fields(asked.text), headers={"origin": serving.url})
        assert done.status_code == 303
        host = client.get("/", headers={"host": f"rebound.example:{serving.url[-5:]}"})
        forwarded = client.get("/", headers={"x-forwarded-for": "10.0.0.7"})
        assert (host.status_code, forwarded.status_code, client.get("/nothing").status_code) == (403, 403, 404)
        port = int(serving.url.rpartition(":")[2])
        assert [name for name in _addresses() if _answers(name, port)] == []
    assert home.ledger.get(row.id).reason is Reason.CANCELLED
    os.kill(serving.pid, signal.SIGTERM)
    assert serving.ended(ENDS_WITHIN) == 0
    assert re.search(rf"1 task: cancelled by \S+: {row.id}", serving._log.read_text())


def test_read_only_has_no_forms(home: Home, serve: Callable[..., Serving]) -> None:
    home.pending()
    serving = serve("--read-only")
    page = httpx.get(serving.url, timeout=20).text
    os.kill(serving.pid, signal.SIGINT)
    assert serving.ended(ENDS_WITHIN) == 0
    assert ("read only" in page, "csrf" in page) == (True, False)


def test_a_port_that_is_taken_is_said(home: Home, settled: Callable[..., Said]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = settled("dashboard", "--port", str(taken.getsockname()[1]))
    assert said.status == 2
    assert "Choose another with --port." in said.err


def test_no_ledger_is_no_dashboard(settled: Callable[..., Said]) -> None:
    said = settled("dashboard")
    assert said.status == 2
    assert "No ledger is named" in said.err


def _addresses() -> list[str]:
    """This machine's other addresses."""
    found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    return sorted({str(one[4][0]) for one in found} - {"127.0.0.1"})


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


pytestmark = pytest.mark.crash
