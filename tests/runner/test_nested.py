"""A task may submit another one, from any isolation; who runs it is never the process that is about to end."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, on a ledger of its own; a child imports it anew with the same environment."""
    monkeypatch.setenv("SETTLED_NESTED", f"sqlite:///{tmp_path}/nested.db")
    sys.modules.pop("tests.runner.nested", None)
    module = importlib.import_module("tests.runner.nested")
    yield module
    module.tasks.stop()


@pytest.mark.parametrize("outer", ["in_thread", "in_coroutine", "in_process"])
def test_what_a_task_submits_is_run(nested: ModuleType, outer: str) -> None:
    inner = getattr(nested, outer).submit(7).result(30)
    assert nested.tasks.wait(inner, 30).result == [7, os.getpid()]


def test_a_process_may_wait_for_what_it_submits(nested: ModuleType) -> None:
    assert nested.waiting_in_process.submit(7).result(30) == [7, os.getpid()]
