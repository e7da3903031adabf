"""A world for each crash test, and a table at the end: which fault, which outcome, after how many seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.world import FileWorld

HERE = Path(__file__).parent
MEASURED = "settled after a fault"

Worlds = Callable[..., FileWorld]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.crash)


@pytest.fixture
def worlds(tmp_path: Path, record_property: Callable[[str, Any], None]) -> Iterator[Worlds]:
    """Makes a world; keywords are options of ``Tasks`` for all its processes."""
    made: list[FileWorld] = []

    def make(**options: Any) -> FileWorld:
        made.append(FileWorld(tmp_path, lambda *measured: record_property(MEASURED, measured), **options))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(worlds: Worlds) -> FileWorld:
    """A world with a lease of 30 s, as by default."""
    return worlds(drain=1.0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    measured = sorted({value for report in reports for name, value in report.user_properties if name == MEASURED})
    if measured:
        terminalreporter.section("from fault to settled")
        for fault, outcome, seconds in measured:
            terminalreporter.line(f"{fault:<70} {outcome:<36} {seconds:6.2f} s")
