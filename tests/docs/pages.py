"""The Markdown pages of the project, taken apart: fences with their marks, made parts, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*(ROOT / "docs").glob("**/*.md"), *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"))]
)

_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_MADE = re.compile(r"^<!-- made: (?P<name>\S+) -->\n(?P<text>.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)!?\[[^\]]*\]\((?P<link>[^)\s]+)\)|<img [^>]*src=\"(?P<image>[^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)


class Fence(NamedTuple):
    """A fenced block; ``mark`` is the comment on the line before it, if there is one."""

    mark: str
    kind: str
    text: str
    line: int


class Made(NamedTuple):
    """A part of a page that is written by a program, between its two comments."""

    page: Path
    name: str
    text: str


def title(page: Path) -> str:
    """The page's path as people say it, for the names of tests."""
    return page.relative_to(ROOT).as_posix()


def fences(page: Path) -> list[Fence]:
    text = page.read_text("utf-8")
    return [
        Fence(found["mark"] or "", found["kind"], found["text"], text.count("\n", 0, found.start("text")) + 1)
        for found in _FENCE.finditer(text)
    ]


def made_parts() -> Iterator[Made]:
    for page in PAGES:
        for found in _MADE.finditer(page.read_text("utf-8")):
            yield Made(page, found["name"], found["text"])


def with_made_part(page: str, name: str, text: str) -> str:
    """The text of a page with one made part replaced."""

    def replaced(found: re.Match[str]) -> str:
        return f"<!-- made: {name} -->\n{text}<!-- end -->" if found["name"] == name else found[0]

    return _MADE.sub(replaced, page)


def links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [found["link"] or found["image"] for found in _LINK.finditer(text)]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", found["text"].lower()).replace(" ", "-") for found in _HEADING.finditer(text)}
