"""A served demo for the tests in this folder: a process of its own, on free ports and a ledger of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port

HERE = Path(__file__).parent
PATIENCE = 30.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and "demo" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.crash)
            item.add_marker(pytest.mark.xdist_group("demo"))  # one server, however many test processes


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a served demo."""
    port = free_port()
    folder = tmp_path_factory.mktemp("demo")
    serve = f"from settled.demo import serve; serve(port={port}, ledger_url='sqlite:///{folder}/demo.db')"
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen([sys.executable, "-c", serve], stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        transport = httpx.HTTPTransport(retries=8)  # with a backoff; together some 60 s
        with httpx.Client(transport=transport, timeout=PATIENCE) as client:
            client.get(f"{url}/demo/faults").raise_for_status()
        yield url
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)
