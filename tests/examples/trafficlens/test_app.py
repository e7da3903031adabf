"""The application on both stores: the pattern's names in plain SQL, and the stand-in that it starts and ends."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.browser.lens import PYTHON_PATH
from tests.browser.served import Process, until
from tests.engines.ledgers import PostgresLedger
from tests.ports import free_port

BOUND = 60.0
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Ask]]:
    """A ledger's address, and a way to ask it with plain SQL."""
    if request.param == "sqlite":
        path = tmp_path / "lens.db"

        def ask_sqlite(query: str) -> list[tuple[Any, ...]]:
            with contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
                return database.execute(query).fetchall()

        yield f"sqlite:///{path}", ask_sqlite
        return
    made = PostgresLedger()
    url, _, schema = made.url.partition("?schema=")

    def ask_postgres(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url, options=f"-c search_path={schema}") as connection:
            return connection.execute(query).fetchall()

    yield made.url, ask_postgres
    made.close()


@pytest.fixture
def app(ledger: tuple[str, Ask], tmp_path: Path) -> Iterator[Process]:
    """The application as ``python -m trafficlens`` serves it, with its own stand-in."""
    port = free_port()
    environment = {"PYTHONPATH": PYTHON_PATH, "LEDGER": ledger[0], "TRAFFIC_SOURCE": "", "TRAFFIC_TIMEOUT": "60"}
    process = Process([sys.executable, "-m", "trafficlens", "--port", str(port)], port, tmp_path, environment)
    yield process
    process.close()


@pytest.mark.slow
def test_the_tables_of_the_pattern_can_be_read_with_plain_sql(app: Process, ledger: tuple[str, Ask]) -> None:
    ask = ledger[1]
    keys = ["GitHub.com", "broken.test", "empty.test", "no domain"]
    with httpx.Client(base_url=app.url, timeout=BOUND) as client:

        def looked() -> dict[str, Any] | None:
            body: dict[str, Any] = client.post("/latest/traffic", json={"keys": keys, "refresh": "auto"}).json()
            return body if body["settled"] else None

        items = until(looked, BOUND, "all have settled")["items"]
        assert "stand-in" in client.get("/about").json()["basis"]
    assert [item.get("found") for item in items] == [True, False, True, None]
    rows = ask("SELECT domain, visits, last_error, updated_at, retry_at FROM traffic_latest ORDER BY domain")
    assert [row[:3] for row in rows] == [
        ("broken.test", None, "The site answered 500 Internal Server Error."),
        ("empty.test", None, None),
        ("github.com", items[0]["value"]["visits"], None),
    ]
    assert [(row[3] is None, row[4] is None) for row in rows] == [(True, False), (False, True), (False, True)]
    ((sources, history),) = ask("SELECT sources, history FROM traffic_latest WHERE domain = 'github.com'")
    assert decoded(sources) == items[0]["value"]["sources"]
    assert decoded(history) == items[0]["value"]["history"]
    told = ask("SELECT status, error_message FROM task_results WHERE error_message IS NOT NULL")
    assert told == [("failed", "The site answered 500 Internal Server Error.")]


def decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def test_the_stand_in_ends_when_whoever_started_it_is_killed() -> None:
    command = "import subprocess, sys; subprocess.Popen([sys.executable, *sys.argv[1:]]); input()"
    site = ["-m", "trafficlens.site", "--port", "0", "--with-starter"]
    starter = subprocess.Popen(
        [sys.executable, "-c", command, *site], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": PYTHON_PATH},
    )  # fmt: skip
    with starter:
        assert starter.stdout is not None
        url = starter.stdout.readline().rpartition(" ")[2].strip()
        assert "stand-in" in httpx.get(url, timeout=BOUND).text
        starter.kill()
    until(lambda: not answers(url), BOUND, "the stand-in has ended")


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=BOUND).is_success
    except httpx.TransportError:
        return False
