"""A stranger follows docs/tutorial.md from an empty folder: every file, every command, and the page in a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.served import Process
from tests.docs.pages import ROOT, Fence, fences
from tests.ports import free_port

BOUND = 90


class Folder:
    """The stranger's folder, with the site and the server in it; ports of this machine stand for those of the page."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fences = fences(ROOT / "docs" / "tutorial.md")
        self._ports = {"8000": str(free_port()), "8001": str(free_port())}
        for fence in self.fences:
            if fence.mark.startswith("file: "):
                (path / fence.mark.removeprefix("file: ")).write_text(self._here(fence.text), "utf-8")
        (path / "terminal").mkdir()
        self.site = self._process([sys.executable, str(path / "upstream.py")], "8001", path / "terminal")

    def _here(self, text: str) -> str:
        text = text.replace("timeout=8,", "timeout=25,")  # a busy machine takes long to start a process
        return re.sub(r"\b800[01]\b", lambda found: self._ports[found[0]], text)

    def _process(self, command: list[str], port: str, folder: Path) -> Process:
        python_path = os.pathsep.join(filter(None, [str(self.path), os.environ.get("PYTHONPATH")]))
        return Process(command, int(self._ports[port]), folder, {"PYTHONPATH": python_path})

    def serve(self) -> Process:
        (command,) = (fence.text for fence in self.fences if fence.mark == "serve")
        program, *arguments = command.removeprefix("$ ").split()
        assert program == "uvicorn"
        command_line = [sys.executable, "-m", program, *arguments, "--port", self._ports["8000"], "--no-access-log"]
        self.server = self._process(command_line, "8000", self.path)
        return self.server

    def type_all(self, fence: Fence) -> str:
        """Type the commands of a session; return it as it went."""
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        went = ""
        for command in re.findall(r"^\$ (.*)$", fence.text, re.MULTILINE):
            done = subprocess.run(
                ["bash", "-c", command], cwd=self.path, env=environment, timeout=BOUND, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, ""), command
            went += f"$ {command}\n{done.stdout}"
        return went

    def asked(self) -> list[str]:
        log = (self.path / "terminal" / "server.log").read_text("utf-8")
        return re.findall(r"^asked for (\S+)$", log, re.MULTILINE)

    def close(self) -> None:
        self.site.close()
        if hasattr(self, "server"):
            self.server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.usefixtures("long")
@pytest.mark.timeout(300)
def test_a_stranger_gets_from_an_empty_folder_to_a_page_where_every_row_ends(folder: Folder, page: Page) -> None:
    first, last = (fence for fence in folder.fences if fence.mark == "typed")
    assert folder.type_all(first) == first.text
    assert sorted(folder.asked()) == ["broken.example", "busy.example", "github.com", "unknown.example"]
    assert folder.type_all(first) == first.text
    assert len(folder.asked()) == 4, "the second time nothing is asked for"

    server = folder.serve()
    page.goto(server.url)
    pasted = next(fence.text for fence in folder.fences if fence.kind == "text")
    look_up(page, pasted)
    rows = page.locator("tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(0)).to_have_text("github.com10000")
    expect(page.get_by_role("status")).to_have_text("That is all.", timeout=BOUND * 1_000)
    expect(rows.nth(1)).to_have_text("nytimes.com11000")
    expect(rows.nth(2)).to_have_text("slow.example12000")
    expect(rows.nth(3)).to_contain_text("longer than its timeout")
    expect(rows.nth(4)).to_contain_text("out of memory")
    expect(rows.nth(5)).to_contain_text("is no domain")

    broken_in_the_middle(folder, page, server)
    assert folder.type_all(last) == last.text
    for fence in folder.fences:
        if fence.mark == "typed, whatever it says":
            folder.type_all(fence)


def broken_in_the_middle(folder: Folder, page: Page, server: Process) -> None:
    look_up(page, "slow.example slow.two.example hangs.again.example")
    expect(page.locator("tr", has_text="hangs.again.example")).to_contain_text("Fetching")
    server.kill()
    server.start()
    expect(page.get_by_role("status")).to_have_text("That is all.", timeout=BOUND * 1_000)
    expect(page.locator("td", has_text="Fetching")).to_have_count(0)
    expect(page.locator("tr").nth(0)).to_have_text("slow.example12000")
    before = folder.asked()
    page.reload()
    look_up(page, "hangs.again.example")
    expect(page.get_by_role("status")).to_have_text("That is all.", timeout=BOUND * 1_000)
    assert folder.asked() == before, "nothing is begun twice"


def look_up(page: Page, pasted: str) -> None:
    page.get_by_label("Domains").fill(pasted)
    page.get_by_role("button", name="Look up").click()
