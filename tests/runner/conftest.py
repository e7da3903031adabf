"""A stage for each test, once for each isolation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner.stage import ISOLATIONS, Stage


@pytest.fixture(params=ISOLATIONS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """In every isolation."""
    return Stage(tmp_path, request.param)


@pytest.fixture
def processes(tmp_path: Path) -> Stage:
    """For what only a process of its own survives."""
    return Stage(tmp_path, "process")
