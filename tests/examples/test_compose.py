"""The picture of compose.yaml, drawn with processes: its own commands and app, on a real database and a real broker."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests import brokers
from tests.crash.processes import ROOT, Process, until
from tests.engines.ledgers import PostgresLedger
from tests.ports import free_port

FOLDER = ROOT / "examples" / "compose"
PATIENT = 60.0


class Picture:
    """The services of the file whose image is the app's, each as a process of this machine."""

    def __init__(self, folder: Path, ledger: str) -> None:
        self._folder = folder
        self._services = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))["services"]
        self._environment = {
            "LEDGER": ledger, "SETTLED_LEDGER": ledger, "BROKER": brokers.rabbitmq_url(),
            "SETTLED_STATE_FOLDER": str(folder / "state"), "PYTHONPATH": str(FOLDER),
        }  # fmt: skip
        self._processes: list[Process] = []
        self._clients: list[httpx.Client] = []

    def start(self, name: str) -> Process:
        """Start one instance of a service, with the command that is written there."""
        given = set(self._services[name]["environment"])
        assert given == {"LEDGER", "SETTLED_LEDGER", "BROKER"}
        program, *arguments = shlex.split(self._services[name]["command"])
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        process = Process(command, self._environment, self._folder / f"{name}-{len(self._processes)}.log")
        self._processes.append(process)
        return process

    def page(self, name: str) -> httpx.Client:
        """Start a web process on a free port of this machine; return a page's connection to it."""
        port = free_port()
        service = self._services[name]
        service["command"] = service["command"].replace("0.0.0.0 --port 8000", f"127.0.0.1 --port {port}")
        self.start(name)
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENT)
        self._clients.append(client)
        until(lambda: answers(client), PATIENT, f"{name} answers")
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        for process in self._processes:
            process.close()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def picture(tmp_path: Path) -> Iterator[Picture]:
    ledger = PostgresLedger()
    made = Picture(tmp_path, ledger.url)
    yield made
    made.close()
    ledger.close()


def test_what_one_web_process_submits_a_worker_runs_and_the_other_web_process_shows(picture: Picture) -> None:
    workers = [picture.start("worker"), picture.start("worker")]
    first, second = picture.page("web-1"), picture.page("web-2")

    accepted = first.post("/report?seconds=1")
    assert accepted.status_code == 202
    where = accepted.headers["location"]

    def settled() -> dict[str, Any] | None:
        body: dict[str, Any] = second.get(where, headers={"Prefer": "wait=5"}).json()
        return body if body["settled"] else None

    body = until(settled, PATIENT, "the other web process shows it settled")
    assert (body["status"], body["result"]["seconds"], body["attempt"]) == ("completed", 1, 1)
    assert all(worker.alive for worker in workers)
    assert "settled-task" in first.get("/").text


def test_every_name_in_the_file_exists(picture: Picture) -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text("utf-8")
    for line in dockerfile.splitlines():
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), line
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    extras = dockerfile.partition("/src[")[2].partition("]")[0].split(",")
    assert all(f"\n{extra} = [" in project for extra in extras)
    assert shutil.which("settled", path=str(Path(sys.executable).parent))
