"""The ten lines of the README serve a task, from its submit to its result, and the page's three lines find it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.docs.pages import ROOT, fences

README = ROOT / "README.md"


def test_the_ten_lines_serve_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = next(fence.text for fence in fences(README) if fence.mark == "file: app.py")
    (tmp_path / "app.py").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("readme_app", tmp_path / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with TestClient(module.app) as client:
        answer = client.post("/scrape?url=https://example.org")
        assert answer.status_code == 202
        assert re.fullmatch(r"/tasks/[0-9a-f-]{36}", answer.headers["location"])
        settled = client.get(answer.headers["location"], headers={"Prefer": "wait=20"}).json()
        assert (settled["status"], settled["result"]["url"]) == ("completed", "https://example.org")
        html = next(fence.text for fence in fences(README) if fence.kind == "html")
        script = re.search(r'import "([^"]+)"', html)
        assert script is not None
        assert "settled-task" in client.get(script[1]).text


def test_the_readme_lists_every_reason_and_every_extra() -> None:
    from settled import Reason

    text = README.read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \| (?:yes|no)\b[^|]*\|$", text, re.MULTILINE)) == set(Reason)
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    extras = re.search(r"^\[project.optional-dependencies\]\n(.*?)\n\n", pyproject, re.MULTILINE | re.DOTALL)
    assert extras is not None
    for extra in re.findall(r"^(\w+) = ", extras[1], re.MULTILINE):
        assert f"| `{extra}` |" in text


def test_the_readme_keeps_a_place_for_what_the_bench_measures() -> None:
    assert "<!-- bench -->" in README.read_text("utf-8")
