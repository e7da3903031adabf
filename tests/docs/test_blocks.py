"""The Python of the pages runs, and prints what the pages say.

A comment on the line before a block says what is done with it: ``file: NAME`` saves and imports it,
for the blocks after it too; ``prints`` runs it and compares what it prints with the next block;
``part`` needs more around it, so its imports are checked; without a comment it is run.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, fences, title

BOUND = 60
WITH_PYTHON = [page for page in PAGES if any(fence.kind == "python" for fence in fences(page))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=title)
def test_the_python_of_a_page_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    found = fences(page)
    for fence, after in zip(found, [*found[1:], None], strict=True):
        if fence.kind != "python":
            continue
        where = f"{title(page)}:{fence.line}"
        what, _, name = fence.mark.partition(": ")
        assert what in ("", "file", "part", "prints"), where
        if what == "part":
            imports_are_there(ast.parse(fence.text), where)
        elif what == "file":
            (tmp_path / name).write_text(fence.text, "utf-8")
            printed(tmp_path, "-c", f"import {Path(name).stem}", where=where)
        else:
            script = tmp_path / "script.py"
            script.write_text(fence.text, "utf-8")
            said = printed(tmp_path, script.name, where=where)
            if what == "prints":
                assert after is not None, where
                assert after.kind == "text", where
                assert said == after.text, where


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_block_says_what_it_is_in(page: Path) -> None:
    kinds = {"python", "text", "html", "js", "http", "console", "ini", "mermaid"}
    assert {fence.kind for fence in fences(page)} <= kinds


def printed(folder: Path, *arguments: str, where: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, timeout=BOUND, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), where
    return done.stdout


def imports_are_there(tree: ast.Module, where: str) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("settled"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), f"{where}: {node.module}.{alias.name}"
