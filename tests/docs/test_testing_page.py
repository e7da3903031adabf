"""The tests of docs/testing.md pass, run by pytest as a user would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fences


@pytest.mark.crash
def test_the_page_s_tests_pass(tmp_path: Path) -> None:
    files = [fence for fence in fences(ROOT / "docs" / "testing.md") if fence.mark.startswith("file: ")]
    for fence in files:
        (tmp_path / fence.mark.removeprefix("file: ")).write_text(fence.text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "."]
    done = subprocess.run(command, cwd=tmp_path, timeout=110, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert not (tmp_path / "shop.db").exists()
