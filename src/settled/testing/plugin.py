"""The fixtures: ``pytest_plugins = ["settled.testing.plugin"]`` in a conftest.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from settled.clock import ManualClock
from settled.ledger import Ledger
from settled.stores.state_folder import VARIABLE
from settled.tasks import Tasks
from settled.testing.isolation import isolated
from settled.testing.stage import Stage


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that has stages use PostgreSQL."""
    parser.getgroup("settled").addoption(
        "--settled-ledger", default="", metavar="URL",
        help="postgresql://user@host/database for the fixture stage, which makes a schema there; by default SQLite",
    )  # fmt: skip


@pytest.fixture
def settled_clock() -> ManualClock:
    """The clock of this test's ledger: it stands still until ``settled_clock.advance(601)``."""
    return ManualClock()


@pytest.fixture
def settled_ledger(settled_clock: ManualClock) -> Iterator[Callable[[Tasks], Ledger]]:
    """``settled_ledger(tasks)`` moves the application's tasks to a ledger of this test, with nobody to run them."""
    with ExitStack() as until_the_end:
        yield lambda tasks: until_the_end.enter_context(isolated(tasks, clock=settled_clock))


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A ``Stage``: ``stage.run(scrape, "https://…", fault=Kill(line=2))``."""
    folder = tmp_path / "stage"
    folder.mkdir()
    monkeypatch.setenv(VARIABLE, str(folder / "state"))
    with Stage(folder, request.config.getoption("--settled-ledger", "")) as made:
        yield made
