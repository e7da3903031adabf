"""``settled worker MODULE:ATTRIBUTE`` when there is nothing to run: one line that says what to do."""

from __future__ import annotations

import sys

import pytest

GOOD = "from settled import Tasks\ntasks = Tasks('sqlite:///tasks.db')\n"


@pytest.fixture(autouse=True)
def modules(folder, monkeypatch):
    """What a test imports is forgotten after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("of_this_test"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "attribute", "words"),
    [
        (GOOD, "", "Write MODULE:ATTRIBUTE"),
        (GOOD, ":", "Write MODULE:ATTRIBUTE"),
        (GOOD, ":queue", "has no 'queue'. Did you mean of_this_test:tasks?"),
        (GOOD, ":tasks.more", "has no 'tasks.more'"),
        ("x = 1", ":x", "is an int, no Tasks. No Tasks object is in that module"),
        (GOOD, ":tasks", "has no task functions"),
        ("1 / 0", ":tasks", "ZeroDivisionError: division by zero at "),
        ("import sys; sys.exit('no')", ":tasks", "SystemExit: no"),
        ("def f(:", ":tasks", "SyntaxError"),
        ("import no_such_library", ":tasks", "ModuleNotFoundError: No module named 'no_such_library' at "),
    ],
)
def test_a_target_that_cannot_be_run_is_one_clear_line(folder, settled, source, attribute, words):
    (folder / "of_this_test.py").write_text(source)
    said = settled("worker", f"of_this_test{attribute}")
    assert said.status == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert words in said.err


@pytest.mark.parametrize("name", ["nowhere", "nowhere.within", "json.nowhere"])
def test_a_module_that_is_not_there_is_told_from_one_that_misses_something(settled, name):
    said = settled("worker", f"{name}:tasks")
    assert said.status == 2
    assert f"There is no module '{name.split('.')[0] if name.startswith('nowhere') else name}'" in said.err


def test_a_worker_takes_no_ledger(settled):
    said = settled("--ledger", "sqlite:///x.db", "worker", "app:tasks")
    assert said.status == 2
    assert "the ledger of the application's Tasks" in said.err
